/** Where in the gateway an agent CLI sends what it says of itself (OTLP/HTTP); `/v1/traces` and `/v1/logs` follow. */
export const agentTelemetryPath = '/otel';

/** An iteration's place in the traces, and the base URL of the OTLP receiver they go to. */
export interface IterationTrace {
  /** 32 hexadecimal digits. */
  traceId: string;
  /** 16; of the iteration's own span. */
  spanId: string;
  otlp: string;
}
