import { LineCounter, parseDocument } from 'yaml';
import { locator, refuseSize, type Source } from '../document.ts';
import type { ParsedDocument } from '../parsed.ts';
import { type FileProblem, refuseProblems } from '../problems.ts';

/** JSON with `//` and block comments. Values come from JSON.parse, positions from a YAML reading of the same text. */
export function parseJsonWithComments(source: Source): ParsedDocument {
  refuseSize(source);
  const text = blankComments(source.text);
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const locate = locator(doc, lines);
  try {
    const value: unknown = JSON.parse(text);
    const twice = doc.errors.filter((error) => error.code === 'DUPLICATE_KEY');
    const problems = twice.map((error) => problem(lines.linePos(error.pos[0]), 'has the same key twice'));
    refuseProblems(source.file, problems);
    return { value, locate };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    refuseProblems(source.file, [syntaxProblem(text, error.message)]);
    throw error;
  }
}

/** The message of V8 names the offset (`at position 12`); where it does not, the text ended too early. */
function syntaxProblem(text: string, message: string): FileProblem {
  const found = /position (\d+)/.exec(message);
  const offset = found ? Number(found[1]) : text.length;
  const before = text.slice(0, offset).split('\n');
  const at = { line: before.length, col: (before.at(-1)?.length ?? 0) + 1 };
  const ended = text.slice(offset).trim() === '';
  return problem(at, ended ? 'ends too early: a bracket or quote is not closed' : 'is not valid JSON here');
}

function problem(at: { line: number; col: number }, message: string): FileProblem {
  return { line: at.line, col: at.col, path: '', message, remedy: null };
}

/** Comments, and tabs between values, become spaces, so that every offset stays where it was. */
export function blankComments(text: string): string {
  const token = /"(?:[^"\\\n]|\\.)*"?|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[\t\uFEFF]/g;
  return text.replace(token, (part) => (part.startsWith('"') ? part : part.replace(/[^\n]/g, ' ')));
}
