import { createServer } from 'node:net';
import { expect } from 'vitest';

type Run = (command: string) => Promise<{ code: number; stdout: string; stderr: string }>;

/**
 * The wall test, as root in the guest: no network device but loopback, no virtio device that could be a way out, no connection to
 * anything; the only doors are the named virtio-serial ports. The host listens on every address meanwhile and hears nothing.
 */
export async function proveNoWayOut(run: Run): Promise<void> {
  let heard = 0;
  const server = createServer((socket) => {
    heard++;
    socket.destroy();
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '0.0.0.0', () => resolve((server.address() as { port: number }).port));
  });
  const say = async (command: string) => (await run(command)).stdout.trim();
  try {
    expect(await say('id -un')).toBe('root');
    expect(await say('ls /sys/class/net')).toBe('lo');
    expect(await say('cat /proc/net/route | tail -n +2; ip -6 route show default 2>/dev/null || true')).toBe('');
    // PCI class 02 is a network controller, 0c03 USB.
    expect(await say('cat /sys/bus/pci/devices/*/class | grep -E "^0x(02|0c03)" || true')).toBe('');
    // virtio: 2 disk, 3 serial ports, 4 entropy, 5 balloon. 1 would be a NIC, 9 and 26 a host folder, 19 vsock.
    const virtio = (await say('cat /sys/bus/virtio/devices/*/device')).split('\n').map(Number);
    expect(virtio.filter((kind) => ![2, 3, 4, 5].includes(kind))).toEqual([]);
    const ports = (await say('cat /sys/class/virtio-ports/*/name')).split('\n').sort();
    expect(ports).toEqual([
      'org.qemu.guest_agent.0',
      'org.ralph-fleet.ssh.control',
      'org.ralph-fleet.ssh.gateway',
      'org.ralph-fleet.ssh.people',
      'org.ralph-fleet.ssh.spare',
    ]);
    // Host's loopback, QEMU's and libvirt's usual gateways and neighbours, the internet.
    const hosts = ['127.0.0.1', '10.0.2.2', '10.0.2.3', '192.168.122.1', '192.168.122.2', '169.254.169.254', '1.1.1.1'];
    for (const host of hosts) {
      const tried = await run(`timeout 5 bash -c 'exec 3<>/dev/tcp/${host}/${port}' 2>&1 && echo CONNECTED`);
      expect(tried.stdout, host).not.toContain('CONNECTED');
    }
    expect((await run('timeout 20 getent hosts example.org')).code).not.toBe(0);
    const vsock = 'socket(S,40,1,0) && connect(S,pack("SSLLx4",40,0,22,2)) && print "CONNECTED"';
    expect(await say(`modprobe -q vsock vmw_vsock_virtio_transport; timeout 10 perl -e '${vsock}'`)).toBe('');
    // A NIC made by root in the guest leads nowhere either.
    const made = 'ip link add rf0 type dummy && ip addr add 10.0.2.15/24 dev rf0 && ip link set rf0 up';
    const tried = await run(`${made}; timeout 5 bash -c 'exec 3<>/dev/tcp/10.0.2.2/${port}' 2>&1 && echo CONNECTED`);
    expect(tried.stdout).not.toContain('CONNECTED');
    expect(heard).toBe(0);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
