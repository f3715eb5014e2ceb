#include "cli/figure.h"

#include <stdlib.h>
#include <string.h>

double figure_read(const char *page, const char *metric)
{
    size_t len = strlen(metric);
    for (const char *at = page; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (strncmp(at, metric, len) == 0 && at[len] == ' ') return strtod(at + len, NULL);
    return -1;
}
