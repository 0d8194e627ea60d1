/* relay - bytes between our terminal and a pseudo terminal, whose other side a
 * container holds instead of ours. */
#ifndef NU_RELAY_H
#define NU_RELAY_H

/* Until the process of `pidfd` has ended: what is typed on `in` (a terminal, put into raw
 * mode meanwhile; -1: nothing is) goes to pty, the master's side, and what comes from it
 * to `out`. What the process leaves running on the pty is not waited for. Leaves pty
 * in non-blocking mode. */
void relay(int pty, int pidfd, int in, int out);
/* Gives pty the size of the terminal `from`, where that is one: before what runs on it asks. */
void relay_size(int from, int pty);

#endif
