//! The proof that firmware can link the codec: see `protocol/firmware`.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::setup::{cargo, command, output, run, target};

/// The crate that links the codec as firmware does.
pub(crate) const MANIFEST: &str = "protocol/firmware/Cargo.toml";

/// What compiled code may ask of a machine without std: copying, filling and comparing memory. LLVM makes calls of these
/// out of plain assignments.
const MEMORY: &[&str] = &["memcpy", "memmove", "memset", "memcmp", "bcmp"];

/// Builds the library for the host and for each bare-metal target that is installed.
///
/// # Errors
/// It does not build, or the codec asks for more than [`MEMORY`]: for a panic, that is.
pub(crate) fn prove() -> Result<()> {
    let folder = target().join("firmware");
    build(&folder, None)?;
    let asked = undefined(&folder.join("release/libfirmware.a"))?;
    for symbol in &asked {
        ensure!(MEMORY.contains(&symbol.as_str()), "the codec is not free of panics: it calls {symbol}");
    }
    println!("no std, no allocator, no panic; needs of the machine: {}", asked.join(" "));
    for bare in bare_targets()? {
        build(&folder, Some(&bare))?;
        println!("builds for {bare}");
    }
    Ok(())
}

fn build(folder: &Path, bare: Option<&str>) -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--locked", "--release", "--manifest-path", MANIFEST]);
    build.arg("--target-dir").arg(folder).args(bare.map(|target| format!("--target={target}")));
    run(&mut build)
}

/// The symbols that the codec leaves for others to define.
fn undefined(library: &Path) -> Result<Vec<String>> {
    let (listing, _) = output(command("nm").args(["--print-file-name", "--undefined-only"]).arg(library))?;
    // The library holds the compiler's built-ins too, one object each; the codec is the one named after the crate.
    let of_codec = listing.lines().filter(|line| line.contains(":firmware-"));
    let mut symbols: Vec<_> =
        of_codec.filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect();
    symbols.sort();
    symbols.dedup();
    Ok(symbols)
}

/// The targets without an operating system that this toolchain has a core library for.
fn bare_targets() -> Result<Vec<String>> {
    let (sysroot, _) = output(command("rustc").args(["--print", "sysroot"]))?;
    let folder = Path::new(sysroot.trim()).join("lib/rustlib");
    let entries = folder.read_dir().with_context(|| folder.display().to_string())?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.contains("-none")).collect())
}
