import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { expect } from 'vitest';
import { inetSockets } from '../support/inet-sockets.ts';

type Run = (command: string) => Promise<{ code: number; stdout: string; stderr: string }>;

/** Beside the host's own addresses, of IPv4 and IPv6: what a guest must not reach, whatever stands there. */
const elsewhere = {
  'the internet': ['1.1.1.1', '93.184.216.34', '2606:4700:4700::1111', '2620:fe::fe'],
  'name servers': ['8.8.8.8', '10.0.2.3', '2001:4860:4860::8888', 'fec0::3'],
  "QEMU's and libvirt's gateways": ['10.0.2.2', '192.168.122.1', '172.17.0.1', 'fec0::2', 'fe80::2'],
  'other VMs': ['10.0.2.15', '192.168.122.2', '192.168.122.255', '255.255.255.255', 'fec0::15', 'ff02::1'],
  'metadata of a cloud': ['169.254.169.254', '169.254.170.2', '100.100.100.200', 'fd00:ec2::254', 'fd20:ce::254'],
};

/** Numbers of Linux (socket.h): families 2, 10, 17 (AF_PACKET), 40 (vsock); kinds 1 stream, 2 datagram, 3 raw. */
const rawTo = (family: 2 | 10, address: string) =>
  `my $a = Socket::inet_pton(${family}, "${address}"); socket(S, ${family}, 3, ${family === 2 ? 1 : 58}) and ` +
  `send(S, "\\x08\\0\\0\\0\\0\\0\\0\\0", 0, ${family === 2 ? 'Socket::pack_sockaddr_in(0, $a)' : 'Socket::pack_sockaddr_in6(0, $a)'}) and print "SENT"`;

/**
 * The wall test, as root in the guest: no network device but loopback, no virtio device that could be a way out, no connection and no packet
 * to anything; the only doors are the named virtio-serial ports, and the one address that answers is the relay's. The host listens on every
 * address meanwhile, over TCP and UDP, IPv4 and IPv6, and hears nothing.
 */
export async function proveNoWayOut(run: Run): Promise<void> {
  const say = async (command: string) => (await run(command)).stdout.trim();
  await using host = await listenEverywhere();
  expect(await say('id -un')).toBe('root');
  await proveDevices(say);
  expect(await say('tail -n +2 /proc/net/route; ip -6 route show default 2>/dev/null')).toBe('');
  expect(await say('cat /proc/net/if_inet6')).toMatch(/^0{31}1 .* lo$/);
  await proveListeners(run);

  const own = hostAddresses();
  for (const [what, targets] of Object.entries({ ...elsewhere, 'the host': own })) {
    expect(await reached(say, targets, host.port), what).toEqual([]);
  }
  // The guest's own loopback answers; nothing of the host's does there.
  expect(await reached(say, ['127.0.0.1', '127.1.2.3', '::1'], host.port, ['tcp'])).toEqual([]);
  expect(await reached(say, ['127.0.0.1'], 4141, ['tcp'])).toEqual(['tcp 127.0.0.1']);
  for (const name of ['example.org', 'localhost.example.org', 'metadata.google.internal'])
    expect((await run(`timeout 20 getent ahosts ${name}`)).code, name).not.toBe(0);
  for (const [family, address] of [
    [2, '1.1.1.1'],
    [2, '169.254.169.254'],
    [2, own.find((one) => !one.includes(':')) ?? '10.0.2.2'],
    [10, '2606:4700:4700::1111'],
    [10, 'fd00:ec2::254'],
    [10, own.find((one) => one.includes(':')) ?? 'fec0::2'],
  ] as const)
    expect(await say(`perl -MSocket -e '${rawTo(family, address)}'`), address).toBe('');
  const vsock = 'socket(S,40,1,0) && connect(S,pack("SSLLx4",40,0,22,2)) && print "CONNECTED"';
  expect(await say(`modprobe -q vsock vmw_vsock_virtio_transport; timeout 10 perl -e '${vsock}'`)).toBe('');

  await proveMadeDevice(run, say, { targets: [...Object.values(elsewhere).flat(), ...own], port: host.port });
  expect(host.heard).toEqual([]);
}

async function proveDevices(say: (command: string) => Promise<string>): Promise<void> {
  expect(await say('ls /sys/class/net')).toBe('lo');
  // PCI class 02 is a network controller, 0c03 USB.
  expect(await say('cat /sys/bus/pci/devices/*/class | grep -E "^0x(02|0c03)" || true')).toBe('');
  // virtio: 2 disk, 3 serial ports, 4 entropy, 5 balloon. 1 would be a NIC, 9 and 26 a host folder, 19 vsock.
  const virtio = (await say('cat /sys/bus/virtio/devices/*/device')).split('\n').map(Number);
  expect(virtio.filter((kind) => ![2, 3, 4, 5].includes(kind))).toEqual([]);
  expect((await say('cat /sys/class/virtio-ports/*/name')).split('\n').sort()).toEqual([
    'org.qemu.guest_agent.0',
    'org.ralph-fleet.ssh.control',
    'org.ralph-fleet.ssh.gateway',
    'org.ralph-fleet.ssh.people',
    'org.ralph-fleet.ssh.spare',
  ]);
}

/**
 * A device that root makes in the guest, where its kernel has one to make, with routes over it, leads nowhere; nor does a raw frame on what
 * device there is. That what is sent is not heard is for the caller to see.
 */
async function proveMadeDevice(
  run: Run,
  say: (command: string) => Promise<string>,
  { targets, port }: { targets: readonly string[]; port: number },
): Promise<void> {
  const addresses = 'ip addr add 10.0.2.15/24 dev rf0; ip -6 addr add fec0::15/64 dev rf0 nodad';
  const routes = 'ip route add default dev rf0; ip -6 route add default dev rf0';
  for (const kind of ['dummy', 'ifb', 'bridge', 'tun'])
    await run(`ip link add rf0 type ${kind} 2>/dev/null || ip tuntap add rf0 mode ${kind} 2>/dev/null`);
  const devices = (await say('ls /sys/class/net')).split('\n');
  try {
    if (devices.includes('rf0')) {
      await run(`ip link set rf0 up; ${addresses}; ${routes}`);
      // 10.0.2.15 and fec0::15 are the guest's own now.
      const others = targets.filter((one) => !/\b15$/.test(one));
      expect(await reached(say, others, port, ['tcp'])).toEqual([]);
      await reached(say, others, port, ['udp']); // is sent, and must not be heard
    }
    for (const device of devices) {
      const frame = `"\\xff" x 6 . "\\x02\\0\\0\\0\\0\\1" . "\\x08\\0" . "x" x 60`;
      const to = `open(I, "/sys/class/net/${device}/ifindex"); my $n = <I>; pack("SnlSCCa8", 17, 3, $n, 1, 0, 6, "\\xff" x 6)`;
      await run(`perl -e 'socket(S, 17, 3, 0x0300) and send(S, ${frame}, 0, do { ${to} })'`);
    }
  } finally {
    await run('ip link del rf0');
  }
}

/** Nothing in the guest waits for connections or packets but the relay. */
async function proveListeners(run: Run): Promise<void> {
  const sockets = await inetSockets(async (table) => (await run(`cat /proc/net/${table}`)).stdout);
  const listening = sockets.filter(({ listens }) => listens).map(({ protocol, local }) => `${protocol} ${local}`);
  expect(listening).toEqual(['tcp 127.0.0.1:4141']);
}

/** Those of the addresses, all tried at once, to which a connection was made, or a datagram could be sent. */
async function reached(
  say: (command: string) => Promise<string>,
  targets: readonly string[],
  port: number,
  protocols: readonly ('tcp' | 'udp')[] = ['tcp', 'udp'],
): Promise<string[]> {
  const attempts = targets.flatMap((host) =>
    protocols.map((protocol) => {
      const connect = `exec 3<>/dev/${protocol}/${host}/${port} && echo hello >&3`;
      return `(timeout 5 bash -c '${connect}' 2>/dev/null && echo '${protocol} ${host}') &`;
    }),
  );
  return (await say(`${attempts.join(' ')} wait`)).split('\n').filter(Boolean).sort();
}

/** Of every device of the host, its loopback left out. */
function hostAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  return all.filter(({ internal }) => !internal).map(({ address }) => address.replace(/%.*/, ''));
}

/** The same port of TCP and UDP, on every address of the host there is. */
async function listenEverywhere(): Promise<AsyncDisposable & { port: number; heard: string[] }> {
  const heard: string[] = [];
  const server = createServer((socket) => {
    heard.push(`tcp from ${socket.remoteAddress}`);
    socket.destroy();
  });
  server.listen(0, '::');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const datagrams = createSocket({ type: 'udp6' }, (_, { address }) => void heard.push(`udp from ${address}`));
  datagrams.bind(port, '::');
  await once(datagrams, 'listening');
  return {
    port,
    heard,
    async [Symbol.asyncDispose]() {
      datagrams.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
