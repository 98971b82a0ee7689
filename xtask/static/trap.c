/* A module for /etc/nsswitch.conf that ends the program that loads it. See `xtask/src/dist/install.rs`. */
__attribute__((constructor)) static void trap(void) { __builtin_trap(); }
