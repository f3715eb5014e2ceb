/* view: what commands show of runs: members of JSON as cells of a table. Owns nothing. */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include <stdint.h>
#include <stdio.h>

#include "cli/cli.h"
#include "runtime/stepwell.h"

/* Each returns a text that is safe on a terminal, in the arena; "" for nil. `columns`: see safe_text. */
const char *view_text(cli *c, sw_value v, size_t columns); /* a string as it is, any other value as JSON */
const char *view_time(cli *c, sw_value unix_ms);           /* "2026-11-27 16:03:08" (UTC) */
const char *view_duration(cli *c, int64_t ms);             /* "12 ms", "3.4 s", "5 m 10 s", "2 h 3 m", "4 d 2 h" */
const char *view_bytes(cli *c, uint64_t bytes);            /* "12.3 MiB" */

/* Writes JSON text, zero-terminated, with escapes for what would be hostile on a terminal. */
void view_put_json(FILE *to, const char *json, size_t len);

/* The value as JSON text on one line of standard output, likewise. */
void view_print_json(cli *c, sw_value v);

#endif
