/** The fault of a call for a model that the provider does not have, or not for this account. */
export const unknownModelFault = 'model';

/** No outage: it is so until a person names another one. */
export function sayUnknownModel(provider: string | null, asked: string | null, isTasks: boolean): string {
  const which = asked === null ? 'the model that its agent CLI chooses by itself' : `the model \`${asked}\``;
  const elsewhere = isTasks
    ? 'it stands in the task’s own `execution.model`: submit it anew with another one'
    : 'name another one as `agent.model` in fleet.yaml, then `ralph-fleet up`';
  return `${provider ?? 'the model API'} says that there is no such thing as ${which}, or not for this account; ${elsewhere}`;
}

/** How a provider failed the last calls of an iteration, in a person's words. `fault` as the gateway names it. */
export function sayOutage(provider: string | null, { fault, faults }: { fault: string; faults: number }): string {
  if (fault === 'limit') return 'its last call met a usage limit that has been lifted since';
  const times = faults === 1 ? 'the last call' : `the last ${faults} calls`;
  const name = provider === null ? 'the model API' : `the model API of ${provider}`;
  return `${name} failed ${times}: ${words[fault] ?? byStatus(fault)}`;
}

const words: Readonly<Record<string, string>> = {
  '429': 'too many requests (429), and it did not say until when',
  '503': 'unavailable (503)',
  '529': 'overloaded (529)',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  ENOTFOUND: 'its name cannot be resolved',
  EAI_AGAIN: 'its name cannot be resolved',
  ETIMEDOUT: 'no answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'its answer stopped coming',
};

function byStatus(fault: string): string {
  return /^\d+$/.test(fault) ? `an error of its own (${fault})` : fault;
}
