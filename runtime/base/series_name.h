/* series_name: the name of a step or host as a metric shows it. Many ids have one name, so that a metric has few
 * series; every name is UTF-8 without control characters. Pure. */
#ifndef RUNTIME_BASE_SERIES_NAME_H
#define RUNTIME_BASE_SERIES_NAME_H

#include <stddef.h>

enum { SERIES_NAME_BYTES_MAX = 80 };

/* Writes the name of a step's id, whose digits are data more often than not: each row of them becomes "#". Returns the
 * name's length; there is no zero behind it. A long name is cut between two characters. */
size_t series_name_of_step(char out[SERIES_NAME_BYTES_MAX], const char *id);
/* Writes the name that the program has given a step (sw_step_options.metric); digits stay. Returns its length; there is
 * no zero behind it. A long name is cut between two characters. */
size_t series_name_of_metric(char out[SERIES_NAME_BYTES_MAX], const char *metric);
/* Writes the name of a host, "name:port" of `len` bytes, in lower case; digits stay. Returns its length. */
size_t series_name_of_host(char out[SERIES_NAME_BYTES_MAX], const char *host, size_t len);

#endif
