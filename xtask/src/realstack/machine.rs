//! The virtual machine: its initramfs, its start, and its output.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::packages::Kernel;
use super::{cache, guest};
use crate::setup::{command, root};

const LOGS: &[(&str, &str)] = &[
    ("bluetoothd.log", "bluetoothd"),
    ("air.log", "virtual air"),
    ("console.log", "console"),
    ("kernel.log", "kernel"),
];

/// Number of lines of each log that are shown after a failure.
const SHOWN: usize = 40;

#[derive(Debug)]
pub(super) enum Job {
    /// Runs a shell script, in the workspace's root.
    Script(String),
    Shell,
}

#[derive(Debug)]
pub(super) struct Ending {
    /// The job's exit status, if it ended.
    pub(super) status: Option<i32>,
    /// The numbers of passed and failed tests.
    pub(super) counts: Option<(u32, u32)>,
}

#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) python: &'a Path,
    pub(super) virtual_bulbs: &'a Path,
    /// The folder that the machine can write to. Its previous contents are removed.
    pub(super) out: &'a Path,
    /// Use KVM instead of an emulated processor.
    pub(super) kvm: bool,
    /// Time at which the machine is stopped in any case.
    pub(super) deadline: Instant,
}

impl Machine<'_> {
    /// Starts the machine, prints the job's output, and waits for the end.
    pub(super) fn run(&self, job: &Job) -> Result<Ending> {
        let initramfs = self.initramfs()?;
        self.prepare_out(job)?;
        let mut qemu = command("qemu-system-x86_64");
        qemu.args(self.arguments(&initramfs, job)).stderr(Stdio::inherit());
        if matches!(job, Job::Shell) {
            let status = qemu.stdin(Stdio::inherit()).status().context("cannot start qemu-system-x86_64")?;
            ensure!(status.success(), "qemu-system-x86_64 ended with {status}");
            return Ok(Ending { status: self.status(), counts: None });
        }
        let mut child = qemu.stdout(Stdio::piped()).spawn().context("cannot start qemu-system-x86_64")?;
        let counts = self.follow(&mut child);
        // It has closed its output, or its time is up.
        child.kill().ok();
        child.wait().context("qemu-system-x86_64")?;
        Ok(Ending { status: self.status(), counts: counts? })
    }

    /// Prints the output until it ends or the deadline passes.
    fn follow(&self, child: &mut Child) -> Result<Option<(u32, u32)>> {
        let stdout = child.stdout.take().context("no output of the machine")?;
        let (sender, lines) = mpsc::channel();
        let reader = thread::spawn(move || read_lines(stdout, &sender));
        let mut counts = None;
        loop {
            match lines.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    println!("{line}");
                    if let Some((passed, failed)) = counted(&line) {
                        let (before, lost) = counts.unwrap_or_default();
                        counts = Some((before + passed, lost + failed));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    println!("realstack: out of time, stopping the machine");
                    child.kill().context("cannot stop the machine")?;
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        reader.join().ok();
        Ok(counts)
    }

    fn status(&self) -> Option<i32> {
        fs::read_to_string(self.out.join("status")).ok()?.trim().parse().ok()
    }

    /// Makes the initramfs: busybox, the kernel modules, and `init`.
    fn initramfs(&self) -> Result<PathBuf> {
        let tree = cache().join("initramfs");
        fs::remove_dir_all(&tree).ok();
        let folders = ["bin", "modules", "proc", "sys", "dev", "lower", "scratch", "new"];
        for folder in folders {
            fs::create_dir_all(tree.join(folder))?;
        }
        fs::copy("/bin/busybox", tree.join("bin/busybox")).context("busybox")?;
        symlink("busybox", tree.join("bin/sh"))?;
        fs::copy(guest().join("init"), tree.join("init")).context("init")?;
        let order = fs::read_to_string(self.kernel.folder.join("order"))?;
        fs::write(tree.join("modules/order"), &order)?;
        let files = ["init", "bin/busybox", "bin/sh", "modules/order"];
        let mut names: Vec<String> = folders.into_iter().chain(files).map(String::from).collect();
        for module in order.lines() {
            let name = format!("modules/{module}.ko");
            fs::copy(self.kernel.folder.join(&name), tree.join(&name)).with_context(|| name.clone())?;
            names.push(name);
        }
        pack(&tree, &names)
    }

    fn prepare_out(&self, job: &Job) -> Result<()> {
        fs::remove_dir_all(self.out).ok();
        fs::create_dir_all(self.out)?;
        let settings = format!(
            "GUEST='{}'\nREPOSITORY='{}'\nPYTHON_PACKAGES='{}'\nVIRTUAL_BULBS='{}'\n",
            guest().display(),
            root().display(),
            self.python.display(),
            self.virtual_bulbs.display()
        );
        fs::write(self.out.join("settings"), settings)?;
        let script = match job {
            Job::Script(script) => script,
            Job::Shell => "exec setsid --ctty bash -i </dev/ttyS1 >/dev/ttyS1 2>&1",
        };
        fs::write(self.out.join("job"), format!("{script}\n")).context("job")
    }

    fn arguments(&self, initramfs: &Path, job: &Job) -> Vec<OsString> {
        let share = |name: &str, folder: &Path, more: &str| {
            let mut share = OsString::from(format!("local,id={name},security_model=none{more},path="));
            share.push(folder);
            let device = format!("virtio-9p-pci,fsdev={name},mount_tag={name}");
            ["-fsdev".into(), share, "-device".into(), device.into()]
        };
        let mut console = OsString::from("file:");
        console.push(self.out.join("console.log"));
        let keys = if matches!(job, Job::Shell) { "stdio,id=job,signal=off" } else { "stdio,id=job" };
        let mut all: Vec<OsString> = Vec::new();
        let fixed = "-machine q35 -cpu max -smp 2 -m 1536 -no-reboot -net none -display none -monitor none";
        all.extend(fixed.split_whitespace().map(OsString::from));
        // Only on request: on a virtual machine, /dev/kvm may exist and not work.
        all.extend(["-accel".into(), if self.kvm { "kvm" } else { "tcg,thread=multi" }.into()]);
        all.extend(["-kernel".into(), self.kernel.folder.join("vmlinuz").into()]);
        all.extend(["-initrd".into(), initramfs.into()]);
        all.extend(["-append".into(), "console=ttyS0 quiet panic=-1".into()]);
        all.extend(share("root", Path::new("/"), ",readonly=on,multidevs=remap"));
        all.extend(share("out", self.out, ""));
        all.extend(["-serial".into(), console]);
        all.extend(["-chardev".into(), keys.into(), "-serial".into(), "chardev:job".into()]);
        all
    }
}

/// Packs files and folders into a cpio archive. A folder's name must come before those of its contents.
fn pack(tree: &Path, names: &[String]) -> Result<PathBuf> {
    let archive = cache().join("initramfs.cpio");
    let mut cpio = command("cpio");
    cpio.args(["--create", "--format=newc", "--quiet"]).current_dir(tree);
    cpio.stdin(Stdio::piped()).stdout(File::create(&archive)?);
    let mut child = cpio.spawn().context("cannot start cpio")?;
    let mut stdin = child.stdin.take().context("cpio takes no names")?;
    stdin.write_all(names.join("\n").as_bytes())?;
    drop(stdin);
    ensure!(child.wait()?.success(), "cpio failed");
    Ok(archive)
}

fn read_lines(stdout: ChildStdout, lines: &mpsc::Sender<String>) {
    for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
        if lines.send(line).is_err() {
            return;
        }
    }
}

/// The numbers of passed and failed tests in the suite's last line.
fn counted(line: &str) -> Option<(u32, u32)> {
    let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut numbers = rest.split("; ").map(|part| part.split(' ').next().and_then(|n| n.parse().ok()));
    Some((numbers.next()??, numbers.next()??))
}

/// Prints the ends of the logs, for machines whose files are gone after the run.
pub(super) fn print_logs(out: &Path) {
    for (file, what) in LOGS {
        let Ok(text) = fs::read_to_string(out.join(file)) else { continue };
        let lines: Vec<_> = text.lines().collect();
        println!("--- {what} ({file})");
        for line in lines.iter().skip(lines.len().saturating_sub(SHOWN)) {
            println!("{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suites_count_is_understood() {
        let line = "test result: FAILED. 31 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out; finished in 9.1s";
        assert_eq!(counted(line), Some((31, 2)));
        assert_eq!(counted("test scan ... ok"), None);
    }
}
