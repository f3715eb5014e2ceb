#include "cli/table.h"

#include <assert.h>
#include <stdio.h>

#include "cli/safe.h"
#include "cli/view.h"

void table_begin(table *t, cli *c, size_t columns, const char *const *heads)
{
    assert(columns > 0 && columns <= TABLE_COLUMNS_MAX);
    *t = (table){.c = c, .columns = columns};
    t->end = &t->first;
    if (heads) table_add(t, heads);
}

void table_add(table *t, const char *const *cells)
{
    table_row *row = arena_zalloc(&t->c->arena, sizeof *row);
    cli_must(row);
    for (size_t i = 0; i < t->columns; i++) row->cells[i] = cells[i] ? cells[i] : "";
    *t->end = row;
    t->end = &row->next;
}

void table_print(const table *t)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    for (const table_row *row = t->first; row; row = row->next)
        for (size_t i = 0; i < t->columns; i++) {
            size_t columns = safe_columns(row->cells[i]);
            if (columns > widths[i]) widths[i] = columns;
        }
    for (const table_row *row = t->first; row; row = row->next) {
        size_t last = t->columns;
        while (last > 1 && !*row->cells[last - 1]) last--; /* no blanks at the end of a line */
        for (size_t i = 0; i < last; i++) {
            size_t blanks = i + 1 < last ? widths[i] - safe_columns(row->cells[i]) + 2 : 0;
            printf("%s%*s", row->cells[i], (int)blanks, "");
        }
        putchar('\n');
    }
}

void table_list(table *t, sw_value list, void (*add)(table *t, sw_value one))
{
    bool is_json = cli_has(t->c, OPTION_JSON);
    for (size_t i = 0; i < sw_len(list); i++) {
        if (is_json)
            view_print_json(t->c, sw_at(list, i));
        else
            add(t, sw_at(list, i));
    }
    if (!is_json) table_print(t);
}
