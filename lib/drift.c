/* drift - differences between what is declared and what runs. */
#include "drift.h"

#include <stdio.h>

#include "json.h"
#include "util.h"

void drift_add(cJSON *list, const char *where, const char *link, const char *what, cJSON *declared,
	       cJSON *live)
{
	cJSON *j = cJSON_CreateObject();

	cJSON_AddStringToObject(j, "where", where);
	if (link && *link)
		cJSON_AddStringToObject(j, "link", link);
	cJSON_AddStringToObject(j, "what", what);
	cJSON_AddItemToObject(j, "declared", declared ? declared : cJSON_CreateNull());
	cJSON_AddItemToObject(j, "live", live ? live : cJSON_CreateNull());
	cJSON_AddItemToArray(list, j);
}

void drift_print(const char *id, const cJSON *list, bool json, bool named)
{
	if (json) {
		autojson cJSON *j = cJSON_CreateObject();

		cJSON_AddStringToObject(j, "id", id);
		cJSON_AddItemToObject(j, "drift", cJSON_Duplicate(list, true));
		json_print(j);
		return;
	}
	for (const cJSON *d = list->child; d; d = d->next) {
		const char *link = cJSON_GetStringValue(cJSON_GetObjectItem(d, "link"));
		autofree char *declared = cJSON_PrintUnformatted(cJSON_GetObjectItem(d, "declared"));
		autofree char *live = cJSON_PrintUnformatted(cJSON_GetObjectItem(d, "live"));

		printf("%s%s%s: %s%s%s: declared %s, live %s\n",
		       named ? id : "", named ? ": " : "",
		       cJSON_GetObjectItem(d, "where")->valuestring, link ? plain(link) : "",
		       link ? ": " : "", plain(cJSON_GetObjectItem(d, "what")->valuestring),
		       plain(declared), plain(live));
	}
}
