/** Where a reader should look first, computed from the path alone. */
export type Risk = 'core' | 'tests' | 'build' | 'generated';

const generated =
  /(^|\/)(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|Cargo\.lock|go\.sum|poetry\.lock|flake\.lock)$|(^|\/)(vendor|third_party|dist|node_modules)\//;
const build =
  /(^|\/)(\.github|\.gitlab|\.circleci|\.ci|\.ralph|\.husky)\/|(^|\/)(Makefile|Dockerfile|Jenkinsfile|package\.json|pyproject\.toml|Cargo\.toml|go\.mod|flake\.nix|AGENTS\.md|CLAUDE\.md|\.gitlab-ci\.yml)$|(^|\/)[^/]+\.config\.[cm]?[jt]s$/;
const tests = /(^|\/)(tests?|spec|__tests__|fixtures)\/|\.(test|spec)\.[^/]+$|_test\.(go|py)$|(^|\/)test_[^/]+\.py$/;

export function riskOf(path: string): Risk {
  if (generated.test(path)) return 'generated';
  if (build.test(path)) return 'build';
  return tests.test(path) ? 'tests' : 'core';
}
