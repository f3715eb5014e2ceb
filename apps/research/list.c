#include "apps/research/list.h"

size_t list_find(sw_value list, const char *key, sw_value value)
{
    size_t i = 0;
    while (i < sw_len(list) && !sw_equal(sw_get(sw_at(list, i), key), value)) i++;
    return i;
}

bool list_has(sw_value list, const char *key, sw_value value) { return list_find(list, key, value) < sw_len(list); }

sw_value list_from(sw_ctx *c, sw_value list, size_t first)
{
    sw_value rest = sw_array(c, 0);
    for (size_t i = first; i < sw_len(list); i++) sw_push(c, &rest, sw_at(list, i));
    return rest;
}
