import { Transform } from 'node:stream';

/**
 * What a guest may send to a person's terminal. Kept: text, line moves, colours and styles (SGR), cursor moves, erasing, the
 * alternate screen, links to http(s). Dropped: everything that asks the terminal for an answer (which would be typed into the
 * guest, or worse into the person's shell), sets its title, its clipboard or its keys, or carries a payload (OSC, DCS, APC, PM,
 * SOS). Unknown means dropped. After ECMA-48 and xterm's ctlseqs.
 *
 *   ground --ESC--> escape --[--> csi --final--> ground
 *                     |--]--> osc --BEL, ESC \--> ground
 *                     |--P X ^ _ k--> string --ESC \--> ground
 *                     '--( ) * + # % space--> charset --any--> ground
 */
export interface TerminalFilter {
  /** In any cut; gives what may be shown of it. */
  push(chunk: Uint8Array): string;
}

type State = 'ground' | 'escape' | 'csi' | 'osc' | 'string' | 'charset';

const maxCsi = 64;
const maxOsc = 2048;

export function createTerminalFilter(): TerminalFilter {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let state: State = 'ground';
  let held = '';
  let out = '';

  const steps: Record<State, (char: string, code: number) => void> = {
    ground(char, code) {
      out += allowedPlain(char, code);
    },
    escape(char) {
      state = 'ground';
      if (char === '[') state = 'csi';
      else if (char === ']') state = 'osc';
      else if ('PX^_k'.includes(char)) state = 'string';
      else if (' #%()*+-./'.includes(char)) {
        state = 'charset';
        held = char;
      } else if ('78DEM=>'.includes(char)) out += `\x1b${char}`;
    },
    charset(char) {
      if ('()'.includes(held) && '0B'.includes(char)) out += `\x1b${held}${char}`;
      state = 'ground';
    },
    csi(char, code) {
      if (code >= 0x40 && code <= 0x7e) {
        if (held.length <= maxCsi && isAllowedCsi(held, char)) out += `\x1b[${held}${char}`;
        state = 'ground';
      } else if (code >= 0x7f) state = 'ground';
      else if (code >= 0x20 && held.length <= maxCsi) held += char;
    },
    osc(char) {
      if (char === '\x07' || char === '\x9c') endOsc();
      else if (held.length <= maxOsc) held += char;
    },
    string(char) {
      if (char === '\x9c') state = 'ground';
    },
  };

  function endOsc(): void {
    out += allowedOsc(held);
    state = 'ground';
  }

  function step(char: string): void {
    if (char === '\x1b') {
      // In a string this is the start of its end; anywhere else it cuts off what was begun.
      if (state === 'osc') endOsc();
      state = 'escape';
      held = '';
    } else if (char === '\x18' || char === '\x1a') state = 'ground';
    else steps[state](char, char.codePointAt(0) ?? 0);
  }

  return {
    push(chunk) {
      out = '';
      for (const char of decoder.decode(chunk, { stream: true })) step(char);
      return out;
    },
  };
}

export function createTerminalFilterStream(): Transform {
  const filter = createTerminalFilter();
  return new Transform({ transform: (chunk: Uint8Array, _encoding, done) => done(null, filter.push(chunk)) });
}

function allowedPlain(char: string, code: number): string {
  if (code >= 0x20 && code !== 0x7f && !(code >= 0x80 && code <= 0x9f)) return char;
  return '\b\t\n\r'.includes(char) ? char : '';
}

/** Private modes: cursor keys, wrap, blinking, cursor shown, the alternate screen, bracketed paste, drawing at once. */
const privateModes = new Set(['1', '7', '12', '25', '47', '1047', '1048', '1049', '2004', '2026']);

function isAllowedCsi(parameters: string, final: string): boolean {
  if ('hl'.includes(final)) {
    if (parameters.startsWith('?'))
      return parameters
        .slice(1)
        .split(';')
        .every((mode) => privateModes.has(mode));
    return parameters === '4';
  }
  if (final === 'q') return /^[0-6]? $/.test(parameters);
  if (!/^[\d;:]*$/.test(parameters) || /\d{5}/.test(parameters)) return false;
  // 3J would wipe what the person's terminal remembers.
  if (final === 'J') return /^[012]?$/.test(parameters);
  if ('suST'.includes(final)) return /^\d*$/.test(parameters) && (final === 'S' || final === 'T' || parameters === '');
  return '@ABCDEFGHIKLMPXZ`abdefmr'.includes(final);
}

/** Only a link, and only one to the web; without its parameters. */
function allowedOsc(body: string): string {
  const link = /^8;[^;]*;(.*)$/.exec(body);
  const target = link?.[1];
  if (target === undefined) return '';
  if (target === '') return '\x1b]8;;\x1b\\';
  return body.length <= maxOsc && /^https?:\/\/[!-~]+$/.test(target) ? `\x1b]8;;${target}\x1b\\` : '';
}
