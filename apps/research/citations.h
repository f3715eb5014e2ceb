/* citations: a filter that a text of the model goes through piece by piece. A mark "[3]", also "[1, 4]" and "[2-5]",
 * stays, under the number that its source is shown with, if it names one of the sources it may; else it is taken out.
 * So is a list of references at the end, whose numbers and URLs nobody has checked, and a URL put behind a mark. Code
 * is left alone: blocks that begin at a line's first byte, and what backticks of one line enclose; other backticks are
 * escaped, so that who shows the text takes for code what was taken for it here. No mark becomes a link, nor anything
 * that does not lead to the web, no label gets a destination; HTML is shown, not obeyed (markup.h). What comes out does
 * not depend on where the pieces were cut. */
#ifndef RESEARCH_CITATIONS_H
#define RESEARCH_CITATIONS_H

#include <stepwell.h>

typedef struct citations {
    sw_ctx *c;
    const int64_t *shown;  /* borrowed: shown[n - 1] is the number for the text's [n]; 0: it may not be cited */
    size_t count;          /* of `shown` */
    sw_text in;            /* what has come in */
    size_t done;           /* of `in`: what has been decided about; the rest waits for what follows it */
    sw_text out;           /* all that has come out */
    size_t fence;          /* in a block of code: how many such characters end it; 0: not in one */
    size_t fence_at;       /* of `out`: where that began; to some a label goes on in it */
    char fence_char;       /* backtick or tilde */
    bool indented;         /* an indented block of code has begun; where it ended is not known */
    bool is_plain;         /* the text is shown as it is, not as Markdown: markup in it is none */
    size_t wrapped;        /* the text stands in "```markdown": how many backticks; 0: it does not */
    size_t mark_end;       /* of `out`: the last mark that came out */
    size_t joint;          /* of `out`: where a mark was taken out last */
    size_t cells_until;    /* of `in`: up to there the line may be one of a table, whose cells tear code apart */
    bool in_list;          /* among the lines of a list of references */
    bool *cited;           /* cited[n - 1]: a mark with the text's [n] has come out */
    size_t dropped;        /* numbers that were taken out */
    sw_text dropped_marks; /* the marks they were in, for the log */
} citations;

citations citations_new(sw_ctx *c, const int64_t *shown, size_t count);

/* What has come out by this piece; good until the next call. `last`: nothing follows, so nothing waits. */
sw_bytes citations_take(citations *f, const char *data, size_t len, bool last);

/* A whole text at once, which is plain. */
const char *citations_checked(sw_ctx *c, const char *words, const int64_t *shown, size_t count);

#endif
