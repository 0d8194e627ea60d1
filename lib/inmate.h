/* inmate - what a process gives up before it runs a container's programs. */
#ifndef NU_INMATE_H
#define NU_INMATE_H

#include <stdint.h>

#include "say.h"

/* Where no user namespace is in between, a container's root may write our program, if he has a
 * descriptor of it: which he gets by having us execute a "#!/proc/self/exe". So the process
 * becomes the same program once more, with the same arguments, from a copy that nobody can
 * write; nothing must have been done yet. Returns 0 where it is one already, or -1 and e. */
int inmate_from_copy(struct err *e);
/* The root of the user namespace that the process is in. 0, or -1 with errno. */
int inmate_become_root(void);
/* Gives up for good, in this process and all that come of it: the keyring, capabilities but
 * for the set (the bounding set: this process has them yet), system calls (lib/seccomp), and
 * the way to more by set-user-ID programs. 0, or -1 and e. */
int inmate_forgo(uint64_t caps, struct err *e);
/* Keeps of the capabilities those of the set and, at the exec, of the descriptors none but the
 * standard files. 0, or -1 and e. */
int inmate_confine(uint64_t caps, struct err *e);
/* The environment of the container's root; `container` is what $container says. */
void inmate_environment(const char *container, const char *shell);

#endif
