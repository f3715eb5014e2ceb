/* table: rows for people, printed when all are there, each column as wide as its widest cell. Owns its rows, in the
 * command's arena; texts that others wrote go through safe_text first. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli/cli.h"
#include "runtime/stepwell.h"

enum { TABLE_COLUMNS_MAX = 8 };

typedef struct table_row {
    struct table_row *next;
    const char *cells[TABLE_COLUMNS_MAX]; /* "" of one that is empty */
} table_row;

typedef struct table {
    cli *c;
    size_t columns;
    table_row *first, **end;
} table;

/* `heads`, NULL-terminated: what stands above; NULL: nothing does. */
void table_begin(table *t, cli *c, size_t columns, const char *const *heads);
/* Adds a row of t->columns cells, which are borrowed until it is printed. */
void table_add(table *t, const char *const *cells);
void table_print(const table *t);

/* Adds a row for each of the list and prints the table, or, with --json, prints each on a line of its own. */
void table_list(table *t, sw_value list, void (*add)(table *t, sw_value one));

#endif
