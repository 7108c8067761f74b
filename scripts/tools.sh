# shellcheck shell=sh disable=SC2034,SC2154
# Sourced by the other scripts: where our own tools live, which Node is used, what a machine must have. POSIX sh.
# Versions are pinned here and nowhere else (jj: scripts/install-jj).
NODE_VERSION=24.21.0

tools=${XDG_CACHE_HOME:-$HOME/.cache}/ralph-fleet/tools
PATH=$tools/bin:$PATH
export PATH

# Commands each purpose needs; scripts/setup knows the package of each.
commands_run='git jj tmux ssh ssh-keygen virsh qemu-img mmdebstrap mke2fs xz zstd npm'
case $(uname -s) in
  Darwin) commands_run='git jj tmux ssh ssh-keygen limactl npm' ;;
esac
commands_test="$commands_run jq sshd setpriv prometheus promtool"
# The tests with a container engine start one of their own, which takes root: nobody else gets Docker for their sake.
[ "$(id -u)" -ne 0 ] || commands_test="$commands_test dockerd"

# The node of the fleet: the one noted by an earlier look, if it is still there. Forks nothing.
find_node() {
  node=
  [ -r "$tools/node-path" ] && read -r node <"$tools/node-path" && [ -x "$node" ] && return 0
  return 1
}

# Looks for a Node of 24 or newer: our own, PATH, Homebrew's.
look_for_node() {
  for node in "$tools/bin/node" "$(command -v node || true)" /opt/homebrew/opt/node@24/bin/node /usr/local/opt/node@24/bin/node; do
    [ -x "$node" ] || continue
    major=$("$node" -p 'process.versions.node.split(".")[0]' 2>/dev/null) || continue
    [ "$major" -ge 24 ] 2>/dev/null && return 0
  done
  node=
  return 1
}

note_node() {
  mkdir -p "$tools"
  printf '%s\n' "$node" >"$tools/node-path.$$" && mv "$tools/node-path.$$" "$tools/node-path"
}

# The npm that belongs to the chosen node, else the machine's own run by the chosen node.
run_npm() {
  npm_cli=$(command -v npm) || { echo "ralph-fleet: no npm on this machine; run scripts/setup" >&2; return 1; }
  PATH=$(dirname "$node"):$PATH "$npm_cli" "$@"
}

# node_modules of the checkout `$root`, compared with its lock file. Forks nothing.
packages_are_fresh() {
  [ -e "$root/node_modules/.package-lock.json" ] && [ ! "$root/package-lock.json" -nt "$root/node_modules/.package-lock.json" ]
}

install_packages() {
  ! packages_are_fresh || return 0 # another run has done it while this one waited
  log=$(mktemp "${TMPDIR:-/tmp}/ralph-fleet-npm.XXXXXX")
  installed=0
  with_progress 'npm packages' "$log" run_npm ci --prefix "$root" --no-audit --no-fund || installed=1
  rm -f "$log"
  [ "$installed" -eq 0 ] && touch "$root/node_modules/.package-lock.json"
}

missing_commands() {
  for name in $1; do
    command -v "$name" >/dev/null 2>&1 || [ -x "/usr/sbin/$name" ] || [ -x "/sbin/$name" ] || printf '%s ' "$name"
  done
}

qemu_command() {
  case $(uname -m) in
    x86_64 | amd64) echo qemu-system-x86_64 ;;
    aarch64 | arm64) echo qemu-system-aarch64 ;;
    *) echo "qemu-system-$(uname -m)" ;;
  esac
}

# Whether the daemon's own pid file names a process of that name (libvirt writes it without a line end). Forks nothing.
daemon_runs() {
  pid='' comm=''
  { [ -r "/run/$1.pid" ] && read -r pid <"/run/$1.pid"; } || [ -n "$pid" ] || return 1
  [ -r "/proc/$pid/comm" ] && read -r comm <"/proc/$pid/comm" && [ "$comm" = "$1" ]
}

# One holder at a time: `with_lock FOLDER COMMAND…`. A holder that died is noticed by its pid, or by never writing one.
with_lock() {
  lock=$1
  shift
  mkdir -p "$(dirname "$lock")"
  until mkdir "$lock" 2>/dev/null; do
    holder=$(cat "$lock/pid" 2>/dev/null) || holder=
    if { [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; } || { [ -z "$holder" ] && [ "${waited:-0}" -ge 5 ]; }; then
      rm -rf "$lock"
    else
      [ "${waited:-0}" -ne 1 ] || echo "ralph-fleet: waiting for another run to finish (pid ${holder:-?})" >&2
      waited=$((${waited:-0} + 1))
      sleep 1
    fi
  done
  echo $$ >"$lock/pid"
  trap 'rm -rf "$lock"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  status=0
  "$@" || status=$?
  rm -rf "$lock"
  trap - EXIT INT TERM
  return $status
}

# Runs a command with its output in a log and a line that moves: `with_progress TITLE LOG COMMAND…`
with_progress() {
  title=$1 log=$2
  shift 2
  began=$(date +%s)
  : >"$log"
  "$@" >"$log" 2>&1 </dev/null &
  child=$!
  trap 'kill $child 2>/dev/null; wait $child 2>/dev/null; exit 130' INT
  trap 'kill $child 2>/dev/null; wait $child 2>/dev/null; exit 143' TERM
  beat=0
  [ -t 2 ] || printf '  … %s\n' "$title" >&2
  while kill -0 "$child" 2>/dev/null; do
    if [ -t 2 ]; then
      printf '\r  … %-44s %4s s' "$title" "$(($(date +%s) - began))" >&2
    elif [ $((beat % 30)) -eq 29 ]; then
      printf '  … %s, %s s: %s\n' "$title" "$(($(date +%s) - began))" "$(tail -n 1 "$log" | cut -c1-80)" >&2
    fi
    beat=$((beat + 1))
    sleep "${progress_beat:-1}"
  done
  result=0
  wait "$child" || result=$?
  trap - INT TERM
  [ -t 2 ] && printf '\r' >&2
  if [ "$result" -eq 0 ]; then
    printf '  ✓ %-44s %4s s\n' "$title" "$(($(date +%s) - began))" >&2
  else
    printf '  ✗ %-44s %4s s\n' "$title" "$(($(date +%s) - began))" >&2
    tail -n 15 "$log" | sed 's/^/      /' >&2
  fi
  return "$result"
}
