import type { Arrived, Iteration, Signals } from '../../domain/iteration.ts';
import { isFleetError } from '../../lib/errors.ts';
import type { SaidByTools } from '../../loop/ports.ts';
import { readSignals } from '../../loop/signals.ts';
import type { ExecuteDeps } from './deps.ts';

export interface Heard {
  signals: Signals;
  /** Null where it was not looked for, or nobody could be asked. */
  arrived: Arrived | null;
  /** What it said through its tools is not known. */
  isUnheard: boolean;
}

/** All its agent said, by its tools and by its file. After its grant has ended, so that nothing more can come. */
export async function hear(deps: ExecuteDeps, iteration: Iteration, file: Uint8Array): Promise<Heard> {
  const hasTools = deps.agent(deps.store.tasks.mustGet(iteration.task).agent).mcpTool !== null;
  const said = hasTools ? await ask(deps, iteration.id) : null;
  if (said !== null) await deps.runs.writeFile(iteration.id, 'said.json', JSON.stringify(said));
  const { calls = [], refused = 0, arrived = null } = said ?? {};
  const { role, nonce } = iteration;
  return {
    signals: readSignals({ role, nonce, calls, refusedCalls: refused, file }),
    arrived,
    isUnheard: hasTools && said === null,
  };
}

/** A fleet on its way down does not wait for a gateway that is away. */
async function ask({ gateway, store, log }: ExecuteDeps, iteration: string): Promise<SaidByTools | null> {
  try {
    return await gateway.said(iteration);
  } catch (error) {
    if (!isFleetError(error, 'gateway_unavailable') || store.fleet().desire === 'up') throw error;
    log.warn({ iteration, err: error }, 'the gateway could not be asked what an agent said');
    return null;
  }
}
