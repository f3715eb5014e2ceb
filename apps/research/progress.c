#include "apps/research/progress.h"

enum { LABEL_BYTES_MAX = 64 }; /* see sw_label */

/* The text's beginning as a label: one line, cut between two characters. */
static const char *label_text(sw_ctx *c, sw_value words)
{
    const char *text = sw_cstr(c, words);
    char *label = sw_printf(c, "%.*s", LABEL_BYTES_MAX + 1, text ? text : "");
    size_t len = 0;
    for (; label[len]; len++)
        if ((unsigned char)label[len] < ' ' || label[len] == 0x7F) label[len] = ' ';
    if (len > LABEL_BYTES_MAX)
        while (len > 0 && (len > LABEL_BYTES_MAX || ((unsigned char)label[len] & 0xC0) == 0x80)) len--;
    label[len] = 0;
    return label;
}

void progress_begin(sw_ctx *c, const question *q)
{
    sw_label(c, "topic", label_text(c, q->topic));
    sw_label(c, "depth", sw_printf(c, "%d", (int)q->depth));
}

void progress_say(sw_ctx *c, const char *phase) { sw_status(c, sw_map(c, "phase", sw_str(c, phase))); }

void progress_say_level(sw_ctx *c, int64_t level, int64_t of, sw_value queries, sw_value sources)
{
    sw_status(c, sw_map(c, "phase", sw_str(c, "searching"), "level", sw_int(level), "of", sw_int(of), "queries",
                        sw_int((int64_t)sw_len(queries)), "sources", sw_int((int64_t)sw_len(sources))));
}
