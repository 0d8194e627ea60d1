/* files - what the binary carries with it for nu-install. */
#include "files.h"

#include "util.h"

extern const struct file files_table[];
extern const struct file files_table_end[];

size_t files_count(void)
{
	return files_table_end - files_table;
}

const struct file *files_at(size_t i)
{
	return &files_table[i];
}

const struct file *files_find(const char *name)
{
	for (size_t i = 0; i < files_count(); i++)
		if (streq(files_table[i].name, name))
			return &files_table[i];
	return NULL;
}
