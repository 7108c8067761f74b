import contents from '../contents.json' with { type: 'json' };

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

/**
 * The kernel's command line. Within the guest the agent is root anyway, so the kernel's protections of one user against
 * another buy nothing there; without them and without waiting for clocks that an emulated machine has not, it boots sooner. Four levels
 * of page tables instead of five save an emulated machine a tenth of all work.
 */
export const cmdline = ['root=/dev/vda rw console=ttyS0', ...contents.kernelParams].join(' ');
