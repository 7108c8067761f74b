import { FleetError } from '../../lib/errors.ts';

/**
 * The head of libvirt's save file (qemu_saveimage.h, virQEMUSaveHeader): 16 bytes of magic, then little-endian u32 version (2), length
 * of the area behind these 92 bytes, was-running, format, cookie's offset in the area (0: none); the area holds the domain's XML, NUL,
 * cookie, NUL, and padding that libvirt leaves for a longer XML. The memory follows.
 */
const magic = 'LibvirtQemudSave';
const fixedBytes = 92;
const at = { version: 16, areaBytes: 20, wasRunning: 24, cookie: 32 } as const;
/** The padding is some tens of kilobytes. */
const maxAreaBytes = 4 * 1024 * 1024;

/** How long the head is, told by its first bytes. */
export function headBytes(start: Uint8Array): number {
  const bytes = Buffer.from(start);
  const area = bytes.length < fixedBytes ? 0 : bytes.readUInt32LE(at.areaBytes);
  const isKnown = bytes.toString('latin1', 0, 16) === magic && bytes.readUInt32LE(at.version) === 2;
  if (isKnown && area > 0 && area <= maxAreaBytes) return fixedBytes + area;
  throw new FleetError('storage', 'This is no save file of libvirt, or of a kind not known here.');
}

export const saveFileStartBytes = fixedBytes;

/** The same head with another domain in it, which runs as soon as it is restored. Its length stays: what does not fit is refused. */
export function replaceDomain(head: Uint8Array, xml: string): Uint8Array {
  const old = Buffer.from(head);
  const areaBytes = headBytes(old) - fixedBytes;
  const cookieAt = old.readUInt32LE(at.cookie);
  const cookie = cookieAt === 0 ? Buffer.alloc(0) : cString(old.subarray(fixedBytes + cookieAt));
  const text = Buffer.concat([Buffer.from(xml), Buffer.alloc(1)]);
  if (text.length + cookie.length > areaBytes) {
    const message = `The domain needs ${text.length + cookie.length} bytes of the save file; there are ${areaBytes}.`;
    throw new FleetError('too_large', message);
  }
  const area = Buffer.alloc(areaBytes);
  text.copy(area);
  cookie.copy(area, text.length);
  const fixed = Buffer.from(old.subarray(0, fixedBytes));
  fixed.writeUInt32LE(1, at.wasRunning);
  fixed.writeUInt32LE(cookieAt === 0 ? 0 : text.length, at.cookie);
  return Buffer.concat([fixed, area]);
}

function cString(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  if (end < 0) throw new FleetError('storage', 'The head of the save file is cut off.');
  return bytes.subarray(0, end + 1);
}
