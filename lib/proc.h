/* proc - other programs: always an argv, never a shell. */
#ifndef NU_PROC_H
#define NU_PROC_H

#include <stddef.h>
#include <sys/types.h>

#include "say.h"
#include "util.h"

/* Runs argv to its end with our own standard files. Returns its exit status, 128+n
 * where signal n killed it, or -1 and e; a program that isn't there is NU_MISSING
 * and named. */
int proc_run(char *const argv[], struct err *e);
/* As proc_run, with its standard output into out and its standard error thrown away
 * if silent. */
int proc_output(char *const argv[], bool silent, struct buf *out, struct err *e);
/* As proc_output, but what it says on standard error goes into *said. */
int proc_capture(char *const argv[], struct buf *out, struct buf *said, struct err *e);
/* As proc_output, with n bytes of data as its standard input. */
int proc_filter(char *const argv[], const void *data, size_t n, struct buf *out, struct err *e);
/* As proc_run, with `in` as its standard input and `out` as its standard output. */
int proc_pipe(char *const argv[], int in, int out, struct err *e);
/* Waits for child pid: its exit status, or 128+n. */
int proc_wait(pid_t pid);
/* Where a program is in PATH, the caller's; NULL: nowhere. */
char *proc_find(const char *program);
/* Makes e say that argv[0] could not be started, from errno. Returns -1. */
int proc_missing(const char *program, struct err *e);

#endif
