import type { Changes, ProjectRef } from '../../src/changes/changes.ts';
import { sha256 } from '../../src/lib/digest.ts';
import { FleetError } from '../../src/lib/errors.ts';
import type { Dice } from './random.ts';

/** Commits in memory. The tree is a text; a patch is the text's part after the base. Outlives a crash of the daemon. */
export interface FakeRepository {
  changes: Changes;
  /** What stands on the user's branch, oldest first. */
  branch: { commit: string; task: string | null }[];
  /** Somebody else commits to the branch. */
  moveBranch(): void;
  treeOf(commit: string): string;
  /** Every tree that was ever brought to the host for a task. */
  saved: Map<string, string[]>;
  /** A guest's bundle on the host's disk. */
  bundles: Map<string, string>;
  savedTrees: Set<string>;
  /** Tasks whose change was moved onto another base. */
  rebased: Set<string>;
  /** `<task> <commit>` that a person has put a change back to. */
  rewound: Set<string>;
}

interface RepositoryFaults {
  dice: Dice;
  isCalm: () => boolean;
}

export function createFakeRepository({ dice, isCalm }: RepositoryFaults): FakeRepository {
  const trees = new Map<string, string>();
  const parents = new Map<string, string>();
  const rewound = new Set<string>();
  const commit = (tree: string, parent: string, task: string | null): string => {
    const id = sha256(`${tree}|${parent}|${task ?? ''}`).slice(0, 40);
    trees.set(id, tree);
    parents.set(id, parent);
    return id;
  };
  const root = commit('root', '', null);
  const branch: FakeRepository['branch'] = [{ commit: root, task: null }];
  const tip = () => branch[branch.length - 1]?.commit ?? root;
  const heads = new Map<string, { head: string; base: string }>();
  const saved = new Map<string, string[]>();
  const bundles = new Map<string, string>();
  const rebased = new Set<string>();
  const savedTrees = new Set<string>();

  const changes: Changes = {
    inspect: async () => ({
      isFolder: true,
      isRepository: true,
      isBare: false,
      isShallow: false,
      branch: 'main',
      tip: tip(),
      dirty: false,
      hasSubmodules: false,
      usesLfs: false,
      badNames: [],
      userName: 'Sim',
      userEmail: 'sim@example.org',
    }),
    remoteUrl: () => '/repos/p/git',
    list: async () => [],
    listCheckout: async () => [],
    readCheckout: async () => null,
    sync: async () => ({ tip: tip() }),
    readFile: async () => null,
    hashPaths: async () => 'inputs',
    startChange: async (_project, task, base) => {
      const known = heads.get(task);
      if (known === undefined || known.base !== base) heads.set(task, { head: base, base });
      return { changeId: `z${task}`, head: heads.get(task)?.head ?? base };
    },
    exportChange: async () => new Uint8Array([1]),
    adopt: async () => {},
    discard: async () => {},
    bundle: async (_project, id) => `/bundle/${id}`,
    importSaved: async (_project, task, base, file) => {
      const tree = bundles.get(file);
      if (tree === undefined) throw new FleetError('change_rejected', 'There is no such bundle.');
      const head = commit(tree, base, task);
      const changed = heads.get(task)?.head !== head;
      heads.set(task, { head, base });
      saved.set(task, [...(saved.get(task) ?? []), tree]);
      savedTrees.add(tree);
      return { head, tree: sha256(tree), changed, files: 1, leftOut: [] };
    },
    rewind: async (_project, task, { from, to }) => {
      const known = heads.get(task);
      if (known === undefined || !trees.has(to)) throw new FleetError('not_found', `There is no ${to} of ${task}.`);
      const isBeginning = to === known.base;
      const base = isBeginning ? to : (parents.get(to) ?? '');
      heads.set(task, { head: to, base });
      rewound.add(`${task} ${to}`);
      return { head: isBeginning ? null : to, base, kept: from === null || from === to ? null : `${task}-rewound` };
    },
    diff: async () => 'diff',
    files: async () => [],
    restoreProtected: async (_project, _base, id) => id,
    rebase: async (_project, task, newBase) => {
      const known = heads.get(task);
      if (known === undefined) throw new FleetError('not_found', `There is no change of ${task}.`);
      if (known.base === newBase) return { head: known.head, equalPatch: !rebased.has(`${task} unequal`) };
      rebased.add(task);
      if (dice.chance(0.15)) return { conflict: ['a'] };
      const isEqual = dice.chance(0.7);
      if (!isEqual) rebased.add(`${task} unequal`);
      const head = commit(`${trees.get(known.head) ?? ''}${isEqual ? '' : ' moved'}`, newBase, task);
      heads.set(task, { head, base: newBase });
      return { head, equalPatch: isEqual };
    },
    integrate: async (_project: ProjectRef, task, approved, base) => {
      const there = branch.find((entry) => entry.task === task);
      if (there !== undefined) return { commit: there.commit };
      if (tip() !== base) throw new FleetError('stale_commit', 'The branch has moved.');
      if (!isCalm() && dice.chance(0.1)) throw new FleetError('change_conflict', 'The checkout has changes of yours.');
      branch.push({ commit: approved, task });
      return { commit: approved };
    },
  };
  return {
    changes,
    branch,
    saved,
    bundles,
    rebased,
    rewound,
    savedTrees,
    moveBranch: () => void branch.push({ commit: commit(`other ${branch.length}`, tip(), null), task: null }),
    treeOf: (id) => trees.get(id) ?? '',
  };
}
