/* files - what the binary carries with it for nu-install. */
#include "files.h"

#include "proc.h"
#include "util.h"

/* Made by lib/embed: the files' content, one after the other, and what they are. */
extern const char files_packed[], files_packed_end[];
extern const struct {
	const char *name;
	uintptr_t size, mode;
} files_table[], files_table_end[];

int files_unpack(const struct file **list, struct err *e)
{
	size_t n = files_table_end - files_table, total = 0;
	struct file *files = xalloc(n * sizeof(*files));

	for (size_t i = 0; i < n; i++)
		total += files_table[i].size;
	static struct buf unpacked;
	char *argv[] = { (char *)"gzip", (char *)"-dc", NULL };
	int status = proc_filter(argv, files_packed, files_packed_end - files_packed, &unpacked, e);
	if (status < 0)
		return -1;
	if (status || unpacked.n != total)
		return err_set(e, NU_FAILED, "the files in this binary are damaged");
	char *data = unpacked.p;
	for (size_t i = 0; i < n; i++) {
		files[i] = (struct file){ .name = files_table[i].name,
					  .data = data,
					  .size = files_table[i].size,
					  .mode = files_table[i].mode };
		data += files[i].size;
	}
	*list = files;
	return n;
}
