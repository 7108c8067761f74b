import { XMLBuilder, XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import type { BootFiles } from '../../domain/disk.ts';
import { type ChannelUse, channelUses } from '../../domain/endpoint.ts';
import { type VmSize, vmName } from '../../domain/vm.ts';
import { domainUuid, type Mark } from './mark.ts';

/** Marks a domain as ours: `<metadata><rf:vm xmlns:rf="https://ralph-fleet/1" fleet="…" home="…" id="…"/></metadata>`. */
const markNamespace = 'https://ralph-fleet/1';

export interface DomainPlan {
  id: string;
  mark: Mark;
  accel: 'kvm' | 'tcg';
  size: VmSize;
  disk: string;
  console: string;
  boot: BootFiles | null;
  authorizedKey: string;
  sockets: Record<ChannelUse, string>;
  /** The user QEMU runs as (`+uid:+gid`), where libvirt is privileged; null: as whoever runs libvirt. */
  qemuUser: string | null;
}

const builder = new XMLBuilder({ ignoreAttributes: false, suppressEmptyNode: true, suppressBooleanAttributes: false });
const parser = new XMLParser({ ignoreAttributes: false, parseTagValue: false, parseAttributeValue: false });

/**
 * As few devices as possible: no NIC of any kind (the wall), no vsock, graphics, USB or sound. The guest's one way out are the
 * virtio-serial ports, whose host ends are the unix sockets in `plan.sockets`.
 */
export function domainXml(plan: DomainPlan): string {
  return builder.build({
    domain: {
      '@_type': plan.accel === 'kvm' ? 'kvm' : 'qemu',
      name: vmName(plan.id),
      uuid: domainUuid(plan.mark, plan.id),
      metadata: {
        'rf:vm': {
          '@_xmlns:rf': markNamespace,
          '@_fleet': plan.mark.fleet,
          '@_home': plan.mark.home,
          '@_id': plan.id,
        },
      },
      genid: '',
      memory: { '@_unit': 'MiB', '#text': plan.size.memoryMiB },
      // Under software emulation a second processor gains little, and was seen to lose timers and hang the boot.
      vcpu: plan.accel === 'kvm' ? plan.size.cpus : 1,
      sysinfo: { '@_type': 'smbios', oemStrings: { entry: credential(plan.authorizedKey) } },
      os: {
        type: { '@_arch': 'x86_64', '@_machine': 'q35', '#text': 'hvm' },
        ...(plan.boot === null
          ? { boot: { '@_dev': 'hd' } }
          : { kernel: plan.boot.kernel, initrd: plan.boot.initrd, cmdline: plan.boot.cmdline }),
        smbios: { '@_mode': 'sysinfo' },
      },
      features: { acpi: '', apic: '', vmport: { '@_state': 'off' } },
      cpu: { '@_mode': plan.accel === 'kvm' ? 'host-passthrough' : 'maximum' },
      clock: { '@_offset': 'utc' },
      on_poweroff: 'destroy',
      on_reboot: 'restart',
      on_crash: 'destroy',
      devices: devices(plan),
      ...(plan.qemuUser === null
        ? {}
        : {
            // libvirt would hand every file of the chain, the shared base too, to QEMU's user; only the overlay is to be its own.
            seclabel: { '@_type': 'static', '@_model': 'dac', '@_relabel': 'no', label: plan.qemuUser },
          }),
    },
  });
}

function devices(plan: DomainPlan) {
  return {
    disk: {
      '@_type': 'file',
      '@_device': 'disk',
      driver: { '@_name': 'qemu', '@_type': 'qcow2', '@_discard': 'unmap', '@_detect_zeroes': 'unmap' },
      source: { '@_file': plan.disk },
      target: { '@_dev': 'vda', '@_bus': 'virtio' },
    },
    controller: [
      { '@_type': 'usb', '@_model': 'none' },
      { '@_type': 'virtio-serial', '@_index': '0' },
    ],
    channel: [
      { '@_type': 'unix', target: { '@_type': 'virtio', '@_name': 'org.qemu.guest_agent.0' } },
      ...channelUses.map((use) => ({
        '@_type': 'unix',
        source: { '@_mode': 'bind', '@_path': plan.sockets[use] },
        target: { '@_type': 'virtio', '@_name': `org.ralph-fleet.ssh.${use}` },
      })),
    ],
    serial: { '@_type': 'file', source: { '@_path': plan.console, '@_append': 'on' }, target: { '@_port': '0' } },
    memballoon: { '@_model': 'virtio', '@_freePageReporting': 'on' },
    rng: { '@_model': 'virtio', backend: { '@_model': 'random', '#text': '/dev/urandom' } },
    panic: { '@_model': 'isa' },
    audio: { '@_id': '1', '@_type': 'none' },
    video: { model: { '@_type': 'none' } },
  };
}

/** A systemd credential in an SMBIOS OEM string; it stands in QEMU's argv, so it is public data. */
function credential(authorizedKey: string): string {
  const data = Buffer.from(`${authorizedKey}\n`).toString('base64');
  return `io.systemd.credential.binary:ssh.authorized_keys.root=${data}`;
}

const marked = z.object({
  domain: z.object({
    name: z.string(),
    metadata: z.object({
      'rf:vm': z.object({
        '@_xmlns:rf': z.literal(markNamespace),
        '@_fleet': z.string(),
        '@_home': z.string(),
        '@_id': z.string(),
      }),
    }),
  }),
});
const anyDomain = z.object({ domain: z.object({ name: z.string() }) });

/** The mark of a domain, null for one without; throws on what is no whole domain XML. */
export function readMark(xml: string): (Mark & { id: string }) | null {
  if (!xml.trimEnd().endsWith('</domain>')) throw new Error('the domain XML is cut off');
  const parsed: unknown = parser.parse(xml);
  anyDomain.parse(parsed);
  const found = marked.safeParse(parsed);
  if (!found.success) return null;
  const mark = found.data.domain.metadata['rf:vm'];
  return { fleet: mark['@_fleet'], home: mark['@_home'], id: mark['@_id'] };
}

const capabilities = z.object({
  capabilities: z.object({
    host: z.object({
      secmodel: z.array(z.object({ model: z.string(), baselabel: z.array(z.unknown()).optional() })).optional(),
    }),
  }),
});
const capabilityParser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  isArray: (tag) => tag === 'secmodel' || tag === 'baselabel',
});

/** From `virsh capabilities`: the user QEMU runs as, `+uid:+gid`, where libvirt changes users at all. */
export function readQemuUser(xml: string): string | null {
  if (!xml.trimEnd().endsWith('</capabilities>')) throw new Error('the capabilities XML is cut off');
  const { host } = capabilities.parse(capabilityParser.parse(xml)).capabilities;
  const label = host.secmodel?.find((one) => one.model === 'dac')?.baselabel?.[0];
  return typeof label === 'string' && /^\+\d+:\+\d+$/.test(label) ? label : null;
}
