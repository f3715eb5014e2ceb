#include "runtime/run/function_name.h"

#include <stddef.h>
#include <string.h>

bool function_name_is_good(const char *name)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    if (strlen(name) > FUNCTION_NAME_MAX) return false;
    for (const char *at = name;;) {
        size_t len = strspn(at, good);
        bool is_dots = len <= 2 && strspn(at, ".") == len;
        if (is_dots || (at[len] && at[len] != '/')) return false; /* no bytes at all are dots, too */
        if (!at[len]) return true;
        at += len + 1;
    }
}
