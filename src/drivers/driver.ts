import type { BootFiles } from '../domain/disk.ts';
import type { ChannelUse, GuestEndpoint } from '../domain/endpoint.ts';
import type { Wall } from '../domain/fleet.ts';
import type { VmSize } from '../domain/vm.ts';

/**
 * A driver turns VM rows into virtual machines of one hypervisor. Every implementation passes `test/conformance`.
 *
 * Invariants:
 * - Every call is idempotent: `create` of what exists, `start` of what runs, `stop` of what is off and `remove` of what is
 *   gone succeed without effect. A call may be cut off at any point and made again.
 * - `list` returns only VMs that carry this fleet's mark, running or not, under whatever name, and incomplete ones too. When
 *   the hypervisor cannot say, it throws `driver_unavailable`: unavailable is never empty.
 * - Nothing that does not carry our mark is ever changed.
 * - Order: create -> start -> (pause <-> resume) -> stop -> remove. `fork` stands for create and start.
 * - No argument or file a guest can see holds a secret; nothing secret stands in an argv.
 */
export interface Driver {
  readonly name: string;
  /** The wall this driver really gives, proved by the wall test. */
  readonly wall: Wall;
  /** What is there, and whether it would work. Never throws. */
  probe(): Promise<DriverProbe>;
  list(): Promise<ObservedVm[]>;
  /** Makes the overlay disk on the read-only base, or as a copy of `snapshot`, and defines the VM, switched off. */
  create(spec: VmSpec): Promise<void>;
  /** Defines a `partial` VM again, switched off, on the disk that is there; never makes a disk (`not_found` without one). */
  redefine(spec: VmSpec): Promise<void>;
  start(id: string): Promise<void>;
  /** Graceful first; forced after `graceMs` (0 = at once). Returns when it is off. */
  stop(id: string, graceMs: number): Promise<void>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** Off, undefined, its disk and sockets deleted. */
  remove(id: string): Promise<void>;
  /** Where on the host ssh to the guest is found, one address per use. Pure: does not ask the hypervisor. */
  endpoint(id: string, use: ChannelUse): GuestEndpoint;
  /** True when the guest's agent answers over the trusted channel. */
  agentAnswers(id: string): Promise<boolean>;
  /** The guest's ssh host key (`ssh-ed25519 AAAA…`) over the trusted channel, or null while there is none. */
  hostKey(id: string): Promise<string | null>;
  /** Sets the guest's clock, milliseconds since the epoch. */
  setTime(id: string, ms: number): Promise<void>;
  /** The end of the guest's console, at most `maxBytes`; empty when there is none yet. */
  consoleTail(id: string, maxBytes: number): Promise<string>;
  /** The host's file the console goes into, there or not yet; what was turned over stands in `<file>.N`. Null: there is none. */
  consoleFile(id: string): string | null;
  /**
   * Copies a stopped VM's overlay to `target`, a QCOW2 file that still has the same backing file. Atomic by rename. Refused for a VM
   * that was forked: its disk stands on a template's.
   */
  exportDisk(id: string, target: string): Promise<void>;
  /**
   * Keeps the disk of a VM as it is at one moment, under the snapshot's id: whole or not at all, and once. A VM that runs stands still
   * meanwhile and goes on afterwards; its guest should have written its caches (`Guests.sync`). One that was cut off in it is found
   * paused. The VM may go afterwards; what its disk stands on must stay. Throws `storage` where there is no room for it.
   */
  snapshot(id: string, snapshot: string): Promise<void>;
  /** Nothing is left of it; VMs that were made of it have copies. */
  dropSnapshot(snapshot: string): Promise<void>;
  /** What VMs and snapshots take on this host. */
  space(): Promise<DiskSpace>;
  /** Whether it can fork VMs from templates; where it cannot, the calls below are refused, and VMs boot. */
  readonly canFork: boolean;
  /**
   * The keys of those disks of which a template stands that fits: the same disk and size, and a host, hypervisor and processor
   * as they were when it was saved. Quick enough to be asked in each pass.
   */
  templates(wanted: readonly VmBase[]): Promise<string[]>;
  /**
   * Keeps memory and disk of a running VM, whose guest is settled (`Guests.settle`), as the template of its base; the VM is off then.
   * Whole or not at all: what was cut off is never forked from. Where there is a template already, that one stays.
   */
  saveTemplate(id: string, base: VmBase): Promise<void>;
  /**
   * A running VM with the memory of the template and an overlay on its disk; its guest has no identity until it is given one
   * (`Guests.identifyFork`). Called again it starts from the template again, whatever was there: only for a VM nobody has used.
   * Throws `not_found` when no template fits (any more). Started after a stop, such a VM boots like any other.
   */
  fork(spec: VmSpec): Promise<void>;
  /** Nothing is forked from it any more; its disk goes once no VM stands on it. */
  dropTemplate(base: VmBase): Promise<void>;
  /** Templates that no VM stands on and that fit none of these, with the bytes they take. */
  idleTemplates(wanted: readonly VmBase[]): Promise<{ name: string; sizeBytes: number }[]>;
  /** Removes one of them; one that a VM stands on meanwhile stays. */
  removeTemplate(name: string): Promise<void>;
}

/** What VMs start from. */
export interface VmBase {
  /** Key of the disk's content, whatever its path. */
  disk: string;
  /** Absolute path of the read-only base disk. */
  base: string;
  /** Direct kernel boot; null boots the disk by its own loader. */
  boot: BootFiles | null;
  size: VmSize;
}

export interface VmSpec extends VmBase {
  id: string;
  /** Public half of the key the host logs in with, `ssh-ed25519 AAAA… comment`. Public data only. */
  authorizedKey: string;
  /**
   * A new disk begins as a copy of this snapshot. Its guest takes an identity of its own when it boots. `not_found` where there is none;
   * a disk that is there already stays as it is.
   */
  snapshot?: string | null;
}

/** Bytes on the host, holes not counted, by id. */
export interface DiskSpace {
  vms: ReadonlyMap<string, number>;
  /** Null for one that was cut off while it was taken. */
  snapshots: ReadonlyMap<string, number | null>;
}

export interface ObservedVm {
  id: string;
  state: VmState;
  /** What its process holds of the host's memory, where the driver can say at no cost. */
  residentMiB?: number | null;
}

/**
 * `partial`: its disk is there, but nothing is defined on it: half made, or undefined by hand. `diskless`: its disk is gone;
 * what was on it can be had only from a guest that still runs.
 */
export type VmState = 'running' | 'paused' | 'off' | 'crashed' | 'partial' | 'diskless' | 'unknown';

export interface DriverProbe {
  available: boolean;
  version: string | null;
  /** `kvm`, `hvf` or `tcg` (software emulation), proved by starting something, not by looking for a device file. */
  accel: 'kvm' | 'hvf' | 'tcg' | null;
  /** For people: what is missing, and the command that mends it. */
  problems: { what: string; remedy: string }[];
}
