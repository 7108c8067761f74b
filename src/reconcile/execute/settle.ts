import type { ExecuteDeps } from './deps.ts';

const pageSize = 500;

/** Reads what the gateway settled since the last time; rows and cursor move together, so that nothing counts twice. */
export async function settle(deps: Pick<ExecuteDeps, 'gateway' | 'store'>): Promise<void> {
  const { gateway, store } = deps;
  for (;;) {
    const after = store.spend.cursor();
    const calls = await gateway.settlements(after, pageSize);
    store.tx(() => {
      if (store.spend.cursor() !== after) return;
      for (const call of calls) {
        store.spend.add({ ...call, calls: call.refused === null ? 1 : 0 });
        store.spend.setCursor(call.seq);
      }
    });
    if (calls.length < pageSize) return;
  }
}
