/* drift - differences between what is declared and what runs, as people and programs
 * read them: a JSON array of { "where", "link"?, "what", "declared", "live" }. */
#ifndef NU_DRIFT_H
#define NU_DRIFT_H

#include <stdbool.h>

#include <cjson/cJSON.h>

/* Appends a difference; declared and live become the list's, NULL is null. */
void drift_add(cJSON *list, const char *where, const char *link, const char *what, cJSON *declared,
	       cJSON *live);
/* Prints the differences of unit id, one line each (named: which begins with the id) or as
 * { "id", "drift" }. */
void drift_print(const char *id, const cJSON *list, bool json, bool named);

#endif
