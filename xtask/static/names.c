/* Linked into the static program by `cargo xtask dist`.
 *
 * /etc/nsswitch.conf names modules for users and hosts, which glibc loads with the libc of the system. With a libc other
 * than the one in the program, it aborts. So only what glibc has built in is used: the files in /etc, and DNS. */
#include <nss.h>

__attribute__((constructor)) static void only_what_is_built_in(void) {
    static const char *const databases[] = {"group", "networks", "passwd", "protocols", "services"};
    for (unsigned i = 0; i < sizeof databases / sizeof *databases; i++)
        __nss_configure_lookup(databases[i], "files");
    __nss_configure_lookup("hosts", "files dns");
}
