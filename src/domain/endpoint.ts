/** One ssh connection at a time per use: the daemon, the gateway's tunnel, people who watch, and one to spare. */
export const channelUses = ['control', 'gateway', 'people', 'spare'] as const;
export type ChannelUse = (typeof channelUses)[number];

/** Where on the host ssh to a guest is found. A unix socket is the host end of a virtio-serial port. */
export type GuestEndpoint = { kind: 'unix'; path: string } | { kind: 'tcp'; host: '127.0.0.1'; port: number };
