//! The program: an allocator and one call.

/// musl's own allocator takes one lock for all threads, which costs a parallel dump a third of its
/// speed; glibc's does not, so it is left alone there.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    pgark::cli::main()
}
