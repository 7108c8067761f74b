import type { Provider } from '../domain/credential.ts';
import type { Meters } from './meters.ts';

/** Times of one call of a model. */
export interface CallTime {
  /** It goes up. */
  sent(): void;
  /** The first byte of the answer is there. */
  answered(): void;
  /** It is over, however; counts once. */
  ended(): void;
}

export function timeCall(meters: Pick<Meters, 'observe'>, provider: Provider, now: () => number): CallTime {
  let sentAt: number | null = null;
  let isAnswered = false;
  return {
    sent() {
      sentAt ??= now();
    },
    answered() {
      if (sentAt === null || isAnswered) return;
      isAnswered = true;
      meters.observe('gateway_first_byte_seconds', { provider }, (now() - sentAt) / 1000);
    },
    ended() {
      if (sentAt === null) return;
      meters.observe('gateway_request_seconds', { provider }, (now() - sentAt) / 1000);
      sentAt = null;
    },
  };
}
