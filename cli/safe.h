/* safe: texts that others wrote, made fit for a terminal and for a line of a table: what would move the cursor, turn
 * text round or hide it is shown as an escape. Pure. */
#ifndef CLI_SAFE_H
#define CLI_SAFE_H

#include <stdint.h>

#include "cli/cli.h"

/* The text in at most `columns` columns (0: all of it), cut to "..."; in the arena. */
char *safe_text(cli *c, const char *data, size_t len, size_t columns);

/* Reads the character that `s` begins with. Returns its bytes; 0: they are no UTF-8, and *code is the first byte. */
size_t safe_code(const uint8_t *s, size_t len, uint32_t *code);
/* Whether a character moves the cursor, hides something, turns text round or looks like nothing. */
bool safe_is_hostile(uint32_t code);

/* How many columns a text takes that is safe. */
size_t safe_columns(const char *text);

#endif
