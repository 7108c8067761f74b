/** What stands in the image. A change here gives the image another key. */
export const suite = 'forky';

/** Raised when this code builds something else from the same inputs. */
export const builderVersion = 1;

export const packages: readonly string[] = [
  ...['systemd', 'systemd-sysv', 'dbus', 'udev', 'kmod', 'mount', 'passwd', 'procps', 'e2fsprogs', 'libnss-myhostname'],
  ...['openssh-server', 'openssh-client', 'sudo', 'ca-certificates', 'curl', 'less', 'qemu-guest-agent'],
  ...['tmux', 'git', 'jujutsu', 'ripgrep', 'jq', 'nodejs'],
  // For the initial ramdisk only; small enough to stay.
  'busybox-static',
];

/** npm itself: Debian's own package would bring some 400 others. */
export const npm = {
  package: 'npm',
  version: '11.19.1',
  bins: { npm: 'npm/bin/npm-cli.js', npx: 'npm/bin/npx-cli.js' },
};

export interface NpmTool {
  package: string;
  version: string;
  /** Command in the guest -> file below node_modules. */
  bins: Readonly<Record<string, string>>;
}

/** Agent CLIs that can be put into the image, pinned. */
export const agentTools: Readonly<Record<string, NpmTool>> = {
  claude: {
    // The package for the guest's own platform, which is the whole program; the other one only chooses between these.
    package: '@anthropic-ai/claude-code-linux-x64',
    version: '2.1.329',
    bins: { claude: '@anthropic-ai/claude-code-linux-x64/claude' },
  },
};

/**
 * The kernel's command line. Within the guest the agent is root anyway, so the kernel's protections of one user against
 * another buy nothing there; without them and without waiting for clocks that an emulated machine has not, it boots sooner. Four levels
 * of page tables instead of five save an emulated machine a tenth of all work.
 */
export const cmdline = [
  'root=/dev/vda rw console=ttyS0 quiet TERM=dumb',
  'mitigations=off audit=0 nowatchdog no_timer_check tsc=reliable rcupdate.rcu_expedited=1 random.trust_cpu=1 lsm=landlock',
  'no5lvl init_on_alloc=0 hardened_usercopy=off randomize_kstack_offset=off',
  'systemd.firstboot=no',
].join(' ');
