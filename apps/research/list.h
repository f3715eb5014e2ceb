/* list: arrays of maps that are searched by one member, such as sources by "url". */
#ifndef RESEARCH_LIST_H
#define RESEARCH_LIST_H

#include <stepwell.h>

/* Where the first map lies whose member `key` has this value; sw_len(list): there is none. */
size_t list_find(sw_value list, const char *key, sw_value value);
bool list_has(sw_value list, const char *key, sw_value value);

/* The elements from `first` on. */
sw_value list_from(sw_ctx *c, sw_value list, size_t first);

#endif
