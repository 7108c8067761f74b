import { z } from 'zod';
import { count, isoTime } from './common.ts';

/** `GET /readyz`: 200 when the first pass has ended, 503 with the stage before. `GET /healthz` is 200 as soon as it listens. */
export const readyView = z.object({
  ready: z.boolean(),
  /** What it is doing until then: `migrating`, `adopting VMs`, `first pass`, … */
  stage: z.string(),
  pid: count,
  version: z.string(),
  since: isoTime,
});
export type ReadyView = z.infer<typeof readyView>;

/** `POST /v1/daemon/stop`: leaves VMs, tmux sessions and the gateway running. */
export const stopping = z.object({ pid: count });

/** `POST /v1/gateway/upgrade`: the gateway that runs now, and those before it that still carry calls they had begun. */
export const gatewayUpgraded = z.object({
  pid: count,
  version: z.string(),
  leaving: z.array(z.object({ pid: count, openCalls: count })),
});
