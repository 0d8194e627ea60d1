/* nix - one run of nix-build or nix-instantiate, watched. */
#include "nix.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "proc.h"

/* Numbers of nix's logging protocol (its logging.hh). */
enum { ACT_BUILDS = 104, ACT_BUILD = 105, RESULT_LOG = 101, RESULT_PROGRESS = 105 };
enum { LEVEL_ERROR = 0, LEVEL_WARNING = 1, LEVEL_INFO = 3 };

#define LOG_LINES 10  /* of a builder, that are shown when it fails */
#define LOG_KEPT 500  /* of all builders: which one fails is known at the end */
#define GRACE_MS 3000 /* from the request to end until the end */

/* What is shown while nix works: one line, rewritten on a terminal; a line for each
 * step elsewhere. */
struct progress {
	const char *what;
	bool terminal;
	bool shown; /* the terminal's line holds something */
	int64_t start, last;
	unsigned int files;
	long long builds_id; /* the activity that counts builds */
	struct strv builds;  /* those of builders: "NUMBER DERIVATION" */
	long done, expected;
	char step[100];
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

static void handle_signals(void (*handler)(int))
{
	struct sigaction act = { .sa_handler = handler };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	sigaction(SIGPIPE, &act, NULL); /* nobody reads any more what we say */
}

void nix_catch_signals(void)
{
	handle_signals(on_signal);
}

void nix_release_signals(void)
{
	handle_signals(SIG_DFL);
}

static void progress_clear(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}

/* One row: what wraps can't be taken back. The name of the step gives way. */
static void progress_draw(struct progress *p, bool now)
{
	int64_t t = now_ms();
	struct winsize size;
	char head[128], tail[32];

	if (!p->terminal || say_is_quiet() || (!now && t - p->last < 100))
		return;
	p->last = t;
	progress_clear(p);
	if (p->expected)
		snprintf(head, sizeof(head), "%s: building %ld of %ld: ", p->what,
			 p->done + 1 > p->expected ? p->expected : p->done + 1, p->expected);
	else
		snprintf(head, sizeof(head), "%s: evaluating, %u files", p->what, p->files);
	snprintf(tail, sizeof(tail), "  %.1f s", (t - p->start) / 1000.0);
	int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
	int room = columns - 1 - (int)strlen(head) - (int)strlen(tail);
	fprintf(stderr, "%s%.*s%s", head, room > 0 ? room : 0, p->expected ? p->step : "", tail);
	fflush(stderr);
	p->shown = true;
}

/* "/nix/store/<hash>-name.drv" -> "name" */
static void step_name(const char *drv, char *dst, size_t size)
{
	const char *slash = strrchr(drv, '/');
	const char *name = slash && strlen(slash) > 34 ? slash + 34 : drv;
	size_t n = strlen(name);

	if (ends_with(name, ".drv"))
		n -= 4;
	snprintf(dst, size, "%.*s", (int)n, name);
}

static void progress_building(struct progress *p, const char *drv)
{
	step_name(drv, p->step, sizeof(p->step));
	if (p->terminal)
		progress_draw(p, true);
	else
		say("%s: building %ld of %ld: %s", p->what, p->done + 1, p->expected, p->step);
}

/* Colours are for terminals; what we quote and compare is text. */
static void strip_colours(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\033' && s[1] == '[') {
			s += 2 + strcspn(s + 2, "ABCDEFGHJKSTfmnsu");
			if (!*s)
				break;
			continue;
		}
		*to++ = *s;
	}
	*to = '\0';
}

static bool below(const char *path, const char *dir)
{
	size_t n = dir ? strlen(dir) : 0;

	return n && strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

/* Of whatever store, which may be below another root: its paths have a hash. */
static bool in_store(const char *path)
{
	static const char dir[] = "/nix/store/";

	while ((path = strstr(path, dir))) {
		path += strlen(dir);
		if (strspn(path, "0123456789abcdefghijklmnopqrstuvwxyz") == 32 && path[32] == '-')
			return true;
		path--;
	}
	return false;
}

static void note_input(struct nix *nix, enum input_kind kind, const char *path)
{
	bool users = true;

	if (!nix->inputs || path[0] != '/' || in_store(path))
		return;
	if (below(path, nix->copy))
		path += strlen(nix->copy);
	/* Our own code is an input as a whole. */
	if (below(path, nix->trees[0]))
		return;
	for (size_t i = 1; i < ARRAY_SIZE(nix->trees); i++)
		users = users && !below(path, nix->trees[i]);
	for (size_t i = 0; i < nix->nixpkgs.n; i++)
		users = users && !below(path, nix->nixpkgs.v[i]);
	inputs_add(nix->inputs, kind, users, path);
}

/* "nixunits read: KIND PATH", from the wrappers around the user's builtins. */
static bool note_read(struct nix *nix, const char *text)
{
	static const char *const names[] = { "file ", "dir ", "exists ", "path " };
	const char *p = strstr(text, "nixunits read: ");

	if (!p)
		return false;
	p += strlen("nixunits read: ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (starts_with(p, names[i]))
			note_input(nix, i, p + strlen(names[i]));
	if (starts_with(p, "nixpkgs "))
		strv_add(&nix->nixpkgs, p + strlen("nixpkgs "));
	return true;
}

/* What nix or a builder says when the machine, not the declaration, is at fault. nix's own
 * word for a full disk is the C library's or SQLite's. */
static void note_lack(struct nix *nix, const char *text)
{
	static const char *const lacks[] = { "No space left on device", "disk is full",
					     "Disk quota exceeded", "Cannot allocate memory",
					     "unable to download", "out of memory",
					     "signal 9 (Killed)" };

	for (size_t i = 0; i < ARRAY_SIZE(lacks); i++)
		nix->starved = nix->starved || strstr(text, lacks[i]);
}

static void on_message(struct nix *nix, struct progress *p, const cJSON *j)
{
	const cJSON *level = cJSON_GetObjectItemCaseSensitive(j, "level");
	const cJSON *msg = cJSON_GetObjectItemCaseSensitive(j, "msg");

	if (!cJSON_IsNumber(level) || !cJSON_IsString(msg))
		return;
	char *text = msg->valuestring;
	strip_colours(text);
	if (starts_with(text, "evaluating file '")) {
		autofree char *path = xstrndup(text + 17, strcspn(text + 17, "'"));
		p->files++;
		note_input(nix, INPUT_FILE, path);
		progress_draw(p, false);
		return;
	}
	if (starts_with(text, "copied source '")) {
		autofree char *path = xstrndup(text + 15, strcspn(text + 15, "'"));
		note_input(nix, INPUT_TREE, path);
		return;
	}
	if (note_read(nix, text))
		return;
	if (streq(text, "trace: nixunits looks at the parameters")) {
		nix->looked = true;
		return;
	}
	if (starts_with(text, "trace: nixunits shares: ")) {
		strv_add(&nix->shares, text + strlen("trace: nixunits shares: "));
		return;
	}
	if (starts_with(text, "trace: nixunits warns: ")) {
		progress_clear(p);
		warn("%s: %s", nix->what, text + strlen("trace: nixunits warns: "));
		return;
	}
	bool is_trace = starts_with(text, "trace: ");
	if (level->valuedouble <= LEVEL_ERROR && !is_trace) {
		note_lack(nix, text);
		buf_addf(&nix->errors, "%s\n", text);
		return;
	}
	if (nix->trace ? level->valuedouble <= LEVEL_INFO : is_trace && !say_is_quiet()) {
		progress_clear(p);
		fprintf(stderr, "%s\n", text);
	}
}

static void note_log(struct nix *nix, const struct progress *p, long long number, const char *line)
{
	for (size_t i = p->builds.n; i--;) {
		char *drv;

		if (strtoll(p->builds.v[i], &drv, 10) != number)
			continue;
		if (nix->log.n == LOG_KEPT) {
			free(nix->log.v[0]);
			memmove(nix->log.v, nix->log.v + 1, --nix->log.n * sizeof(*nix->log.v));
		}
		strv_addf(&nix->log, "%s\t%s", drv + 1, line);
		return;
	}
}

static void on_event(struct nix *nix, struct progress *p, const cJSON *j)
{
	const cJSON *action = cJSON_GetObjectItemCaseSensitive(j, "action");
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(j, "type");
	const cJSON *id = cJSON_GetObjectItemCaseSensitive(j, "id");
	const cJSON *fields = cJSON_GetObjectItemCaseSensitive(j, "fields");
	const char *name = cJSON_IsString(action) ? action->valuestring : "";
	long long number = cJSON_IsNumber(id) ? id->valuedouble : 0;
	int kind = cJSON_IsNumber(type) ? type->valueint : -1;
	const cJSON *first = cJSON_GetArrayItem(fields, 0);

	if (streq(name, "msg")) {
		on_message(nix, p, j);
	} else if (streq(name, "start") && kind == ACT_BUILDS) {
		p->builds_id = number;
	} else if (streq(name, "start") && kind == ACT_BUILD && cJSON_IsString(first)) {
		strv_addf(&p->builds, "%lld %s", number, first->valuestring);
		progress_building(p, first->valuestring);
	} else if (streq(name, "result") && kind == RESULT_PROGRESS && number == p->builds_id) {
		const cJSON *second = cJSON_GetArrayItem(fields, 1);

		p->done = cJSON_IsNumber(first) ? first->valuedouble : 0;
		p->expected = cJSON_IsNumber(second) ? second->valuedouble : 0;
		progress_draw(p, false);
	} else if (streq(name, "result") && kind == RESULT_LOG && cJSON_IsString(first)) {
		note_lack(nix, first->valuestring);
		if (nix->trace) {
			progress_clear(p);
			fprintf(stderr, "%s\n", first->valuestring);
			return;
		}
		note_log(nix, p, number, first->valuestring);
	}
}

static void on_line(struct nix *nix, struct progress *p, const char *line, size_t n)
{
	if (!starts_with(line, "@nix ")) {
		/* Not from the protocol: a crash, a message of the linker's. */
		note_lack(nix, line);
		buf_add(&nix->errors, line, n);
		buf_add(&nix->errors, "\n", 1);
		return;
	}
	cJSON *j = cJSON_ParseWithLength(line + 5, n - 5);
	if (j)
		on_event(nix, p, j);
	cJSON_Delete(j);
}

/* Reads what there is and passes on whole lines. False at the end. */
static bool read_events(int fd, struct buf *b, struct nix *nix, struct progress *p)
{
	char block[65536];
	ssize_t n = read(fd, block, sizeof(block));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	buf_add(b, block, n);
	size_t from = 0;
	for (char *end; (end = memchr(b->p + from, '\n', b->n - from));) {
		*end = '\0';
		on_line(nix, p, b->p + from, end - b->p - from);
		from = end - b->p + 1;
	}
	memmove(b->p, b->p + from, b->n - from);
	b->n -= from;
	b->p[b->n] = '\0';
	return n > 0;
}

static bool read_output(int fd, struct buf *b)
{
	char block[65536];
	ssize_t n = read(fd, block, sizeof(block));

	if (n > 0)
		buf_add(b, block, n);
	return n > 0 || (n < 0 && errno == EINTR);
}

/* In the child. What goes wrong before nix runs is told through `failure`. */
static _Noreturn void child(struct nix *nix, pid_t parent, int out, int log, int failure)
{
	struct err e;
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(NU_FAILED);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0) {
		err_errno(&e, "dup2");
		goto out;
	}
	if (nix->tmp)
		setenv("TMPDIR", nix->tmp, 1);
	execvp(nix->argv.v[0], nix->argv.v);
	proc_missing(nix->argv.v[0], &e);
out:
	if (write(failure, &e, sizeof(e)) < 0)
		_exit(NU_FAILED);
	_exit(NU_FAILED);
}

static void watch(struct nix *nix, pid_t pid, int out, int log)
{
	struct progress p = { .what = nix->what,
			      .terminal = isatty(STDERR_FILENO) && !nix->trace,
			      .start = now_ms() };
	autobuf struct buf pending = { 0 };
	struct pollfd fds[] = { { .fd = log, .events = POLLIN }, { .fd = out, .events = POLLIN } };
	int64_t asked = 0; /* to end, when */

	if (!p.terminal)
		say("%s: evaluating", p.what);
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		/* A signal may have come since we looked for one. */
		int n = poll(fds, 2, 200);

		/* A nix that is deep in an evaluation may not listen. */
		if (interrupted && !asked) {
			kill(pid, SIGTERM);
			asked = now_ms();
		} else if (interrupted && now_ms() - asked > GRACE_MS) {
			kill(pid, SIGKILL);
		}
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0 && fds[0].revents && !read_events(log, &pending, nix, &p))
			fds[0].fd = -1;
		if (n > 0 && fds[1].fd >= 0 && fds[1].revents && !read_output(out, &nix->out))
			fds[1].fd = -1;
		progress_draw(&p, false);
	}
	if (pending.n)
		on_line(nix, &p, pending.p, pending.n);
	progress_clear(&p);
	strv_free(&p.builds);
}

int nix_run(struct nix *nix, struct err *e)
{
	int out[2], log[2], failure[2];
	pid_t self = getpid();
	struct err early;

	buf_free(&nix->out);
	buf_free(&nix->errors);
	strv_free(&nix->log);
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(log, O_CLOEXEC) < 0 || pipe2(failure, O_CLOEXEC) < 0)
		return err_errno(e, "pipe");
	pid_t pid = fork();
	if (pid == 0)
		child(nix, self, out[1], log[1], failure[1]);
	close(out[1]);
	close(log[1]);
	close(failure[1]);
	if (pid < 0)
		return err_errno(e, "fork");

	ssize_t n = read(failure[0], &early, sizeof(early));
	close(failure[0]);
	if (n != sizeof(early))
		watch(nix, pid, out[0], log[0]);
	close(out[0]);
	close(log[0]);
	int status = proc_wait(pid);

	while (nix->out.n && nix->out.p[nix->out.n - 1] == '\n')
		nix->out.p[--nix->out.n] = '\0';
	if (n == sizeof(early)) {
		*e = early;
		return -1;
	}
	if (interrupted)
		return err_set(e, 128 + interrupted, "interrupted");
	nix->starved = nix->starved || status > 128; /* a signal, such as that of a lack of memory */
	if (status)
		return err_set(e, NU_FAILED, "%s failed (exit status %d)", nix->argv.v[0], status);
	if (!nix->out.n)
		return err_set(e, NU_FAILED, "%s printed nothing", nix->argv.v[0]);
	return 0;
}

void nix_errors(const struct nix *nix)
{
	/* Some versions of nix say it themselves. */
	bool wanted = nix->errors.n && strstr(nix->errors.p, "builder") &&
		      !strstr(nix->errors.p, "log lines");
	const char *last[LOG_LINES];
	size_t n = 0;

	for (size_t i = 0; wanted && i < nix->log.n; i++) {
		const char *line = nix->log.v[i] + strcspn(nix->log.v[i], "\t");
		autofree char *drv = xstrndup(nix->log.v[i], line - nix->log.v[i]);

		if (strstr(nix->errors.p, drv))
			last[n++ % LOG_LINES] = line + 1;
	}
	for (size_t i = n > LOG_LINES ? n - LOG_LINES : 0; i < n; i++)
		fprintf(stderr, "> %s\n", last[i % LOG_LINES]);
	/* What nix calls --show-trace is --debug of ours. */
	for (char *p = nix->errors.p, *option; nix->errors.n && p; p = option) {
		option = strstr(p, "--show-trace");
		fprintf(stderr, "%.*s", option ? (int)(option - p) : (int)strlen(p), p);
		if (option)
			fputs("--debug", stderr), option += strlen("--show-trace");
	}
}

void nix_free(struct nix *nix)
{
	strv_free(&nix->argv);
	strv_free(&nix->nixpkgs);
	strv_free(&nix->shares);
	strv_free(&nix->log);
	buf_free(&nix->out);
	buf_free(&nix->errors);
}

void nix_options(struct strv *argv, bool offline)
{
	static const char *const log[] = { "--log-format", "internal-json", "-vv" };
	/* flakes: for a package set named by a flake reference, whatever nix.conf says. min-free:
	 * nix alone does not know what is garbage (nu-gc). */
	static const char *const local[] = { "--option", "build-users-group", "",
					     "--option", "extra-experimental-features", "flakes",
					     "--option", "min-free", "0" };
	/* No other machine has this one's packages, whatever nix.conf would have built there. */
	static const char *const alone[] = {
		"--option", "builders",		"",
		"--option", "max-jobs",		"auto",
		"--option", "substituters",	"",
		"--option", "sandbox-paths",	NIX_HOST_PATHS,
		"--option", "sandbox-fallback", "false",
	};

	for (size_t i = 0; i < ARRAY_SIZE(log); i++)
		strv_add(argv, log[i]);
	for (size_t i = 0; i < ARRAY_SIZE(local); i++)
		strv_add(argv, local[i]);
	for (size_t i = 0; offline && i < ARRAY_SIZE(alone); i++)
		strv_add(argv, alone[i]);
}
