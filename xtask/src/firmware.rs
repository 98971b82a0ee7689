//! Proves that firmware can link the codec, and builds the firmware of `protocol/firmware`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::setup::{cargo, command, output, run, target};

pub(crate) const MANIFEST: &str = "protocol/firmware/Cargo.toml";

/// Symbols that compiled code may need without std. LLVM turns plain assignments into calls of these.
const MEMORY: &[&str] = &["memcpy", "memmove", "memset", "memcmp", "bcmp"];

/// Builds the codec's library for the host and for each installed bare-metal target, and checks its symbols. Checks the whole
/// firmware for the same targets.
pub(crate) fn prove() -> Result<()> {
    build(None)?;
    let symbols = symbols(&folder().join("release/libcodec.a"))?;
    ensure!(
        symbols.iter().any(|symbol| symbol == "bulb_protocol::base::decode"),
        "the codec is not in the library"
    );
    for symbol in &symbols {
        let own = ["bulb_protocol::", "codec::"].iter().any(|start| symbol.starts_with(start));
        ensure!(own || MEMORY.contains(&symbol.as_str()), "the codec can panic: its library needs {symbol}");
    }
    println!("the codec needs no std and no allocator, and none of its calls can panic");
    whole(None)?;
    println!("the firmware needs no std and no allocator");
    let bare = bare_targets()?;
    if bare.is_empty() {
        println!("this toolchain has no bare-metal target: without std it is only checked for the host");
    }
    for bare in &bare {
        build(Some(bare))?;
        profiles(Some(bare))?;
        whole(Some(bare))?;
        println!("both build for {bare}, and the profiles too");
    }
    profiles(None)
}

/// Builds the codec with the profiles, which needs alloc and no std. On the host this only shows that it does not name std.
fn profiles(bare: Option<&str>) -> Result<()> {
    let mut check = cargo();
    check.args([
        "check",
        "--quiet",
        "--locked",
        "--package",
        "bulb-protocol",
        "--features",
        "profiles",
        "--lib",
    ]);
    run(check.args(bare.map(|target| format!("--target={target}"))))
}

/// The folder of what is built of the firmware, which has other settings than the workspace.
fn folder() -> PathBuf {
    target().join("firmware")
}

fn of_firmware(words: &[&str]) -> Command {
    let mut cargo = cargo();
    cargo.args(words).args(["--quiet", "--locked", "--manifest-path", MANIFEST]);
    cargo.arg("--target-dir").arg(folder());
    cargo
}

fn build(bare: Option<&str>) -> Result<()> {
    let mut build = of_firmware(&["build", "--release", "--package", "codec"]);
    run(build.args(bare.map(|target| format!("--target={target}"))))
}

/// Checks the firmware in the library with the panic handler: two of those would clash, and there is no allocator.
fn whole(bare: Option<&str>) -> Result<()> {
    let mut check = of_firmware(&["clippy", "--package", "codec", "--features", "firmware"]);
    run(check.args(bare.map(|target| format!("--target={target}"))).args(["--", "--deny", "warnings"]))
}

/// Builds the firmware as a program for Linux.
pub(crate) fn program() -> Result<PathBuf> {
    run(&mut of_firmware(&["build", "--package", "firmware", "--features", "linux"]))?;
    Ok(folder().join("debug").join("firmware-linux"))
}

/// The symbols in the codec's object, defined and undefined.
fn symbols(library: &Path) -> Result<Vec<String>> {
    let (listing, _) = output(command("nm").args(["--demangle", "--print-file-name"]).arg(library))?;
    // A line is `file:object:address type symbol`. The codec's object is named after the crate; the other objects are
    // the compiler's built-ins.
    let of_codec = listing.lines().filter(|line| line.contains(":codec-"));
    Ok(of_codec.filter_map(|line| line.rsplit_once(' ')).map(|(_, symbol)| symbol.to_owned()).collect())
}

/// The bare-metal targets for which this toolchain has a core library.
pub(crate) fn bare_targets() -> Result<Vec<String>> {
    let (sysroot, _) = output(command("rustc").args(["--print", "sysroot"]))?;
    let folder = Path::new(sysroot.trim()).join("lib/rustlib");
    let entries = folder.read_dir().with_context(|| folder.display().to_string())?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.contains("-none")).collect())
}
