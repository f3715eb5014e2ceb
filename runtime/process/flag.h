/* flag: what a flag is called, takes and means, and how the text of its value is read. The library's own flags are one
 * table: a new one is a line in it and a member of sw_options. Owns nothing; what was given for a flag is its setting
 * in option_set.c. */
#ifndef RUNTIME_PROCESS_FLAG_H
#define RUNTIME_PROCESS_FLAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FLAG_NAME_MAX = 64 };

typedef enum flag_kind { FLAG_TEXT, FLAG_SWITCH, FLAG_COUNT, FLAG_BYTES, FLAG_TIME, FLAG_CHOICE, FLAG_LIST } flag_kind;

typedef struct flag {
    const char *name;
    flag_kind kind;
    const char *value_name; /* for --help; FLAG_CHOICE: the choices, "a|b"; NULL: FLAG_SWITCH */
    const char *fallback;   /* NULL: none */
    const char *help;
    size_t offset;       /* of its member in sw_options; FLAG_NO_MEMBER: the program's own flag, which has none */
    int64_t least, most; /* FLAG_COUNT, FLAG_BYTES (bytes), FLAG_TIME (milliseconds) */
} flag;

static const size_t FLAG_NO_MEMBER = SIZE_MAX;

/* The library's flags in the order of --help. */
extern const flag library_flags[];
extern const size_t library_flag_count;

/* Read the text of a value as the flag's kind has it. False: the text is of another form or out of bounds, with a
 * message in `error` that names the flag and what it takes. */
bool flag_read_number(const flag *f, const char *text, int64_t *out, char *error, size_t error_size);
bool flag_read_choice(const flag *f, const char *text, char *error, size_t error_size);
/* `text` NULL: the switch is off. */
bool flag_read_switch(const flag *f, const char *text, bool *is_on, char *error, size_t error_size);

#endif
