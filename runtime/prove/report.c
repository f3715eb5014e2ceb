/* The page that --prove prints. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/prove/verdict.h"

enum { NAME_LEAST = 9, NAME_MOST = 40, PLACE_TEXT = 256 };

/* ---- Places in the code ---- */

/* "?" and "??:0" are what addr2line says when it does not know. */
static bool ask_addr2line(const char *file, uint64_t address, char *out, size_t out_size)
{
    char command[PLACE_TEXT * 2];
    (void)snprintf(command, sizeof command, "addr2line -e '%s' 0x%llx 2>/dev/null", file, (unsigned long long)address);
    if (strchr(file, '\'') || strlen(file) > PLACE_TEXT) return false;
    FILE *f = popen(command, "r");
    if (!f) return false;
    bool got = fgets(out, (int)out_size, f) != NULL;
    got = pclose(f) == 0 && got;
    out[strcspn(out, " \n")] = 0;
    return got && !strchr(out, '?');
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void place_name(const char *file, uint64_t address, char *out, size_t out_size)
{
    char path[PLACE_TEXT], line[PLACE_TEXT];
    ssize_t n = readlink(file, path, sizeof path - 1); /* /proc/self/exe is another's in addr2line */
    if (n > 0) path[n] = 0;
    const char *real = n > 0 ? path : file;
    if (ask_addr2line(real, address, line, sizeof line))
        (void)snprintf(out, out_size, "%s", base_name(line));
    else
        (void)snprintf(out, out_size, "%s+0x%llx", base_name(real), (unsigned long long)address);
}

/* ---- Lines ---- */

static size_t widest(const verdict *v)
{
    size_t width = NAME_LEAST;
    for (const finding *f = v->findings; f; f = f->next)
        if (strlen(f->who) > width && strlen(f->who) <= NAME_MOST) width = strlen(f->who);
    return width;
}

static void print_line(const finding *f, size_t width, const char *what, FILE *to)
{
    char place[PLACE_TEXT] = "";
    if (f->file) place_name(f->file, f->address, place, sizeof place);
    (void)fprintf(to, "%-*s %s%s%s%s\n", (int)width, f->who, what, *place ? "   (" : "", place, *place ? ")" : "");
}

static const finding *first_of(const verdict *v, finding_kind kind)
{
    for (const finding *f = v->findings; f; f = f->next)
        if (f->kind == kind) return f;
    return NULL;
}

/* The first read of a clock is what a difference comes from, as far as anybody can see. */
static void print_difference(const verdict *v, const finding *f, size_t width, FILE *to)
{
    char what[1024];
    const finding *read = first_of(v, FINDING_DIFFERS) == f ? first_of(v, FINDING_READ) : NULL;
    finding line = *f;
    if (read) {
        line.file = read->file;
        line.address = read->address;
    }
    (void)snprintf(what, sizeof what, "differs at crash %u: %s%s%s", f->crash, f->what, read ? "; " : "",
                   read ? read->what : "");
    print_line(&line, width, what, to);
}

static void print_finding(const verdict *v, const finding *f, size_t width, FILE *to)
{
    char what[1024];
    const finding *differs = first_of(v, FINDING_DIFFERS);
    switch (f->kind) {
    case FINDING_DIFFERS:
        print_difference(v, f, width, to);
        return;
    case FINDING_READ:
        if (differs && first_of(v, FINDING_READ) == f) return;
        (void)snprintf(what, sizeof what, "%s%s", f->what, differs ? "" : ", and nothing came to differ");
        break;
    case FINDING_UNKNOWN:
    case FINDING_NO_END:
    case FINDING_TWICE:
        if (f->crash)
            (void)snprintf(what, sizeof what, "at crash %u: %s", f->crash, f->what);
        else
            (void)snprintf(what, sizeof what, "in the first run: %s", f->what);
        break;
    default:
        (void)snprintf(what, sizeof what, "%s", f->what);
        break;
    }
    print_line(f, width, what, to);
}

static bool is_of_a_call(const finding *f) { return f->kind == FINDING_CALL || f->kind == FINDING_CALL_OK; }

bool verdict_print(const verdict *v, FILE *to)
{
    bool good = v->same == v->points && v->once == v->points;
    size_t width = widest(v);
    (void)fprintf(to, "%zu entries, %zu crash points", v->entries, v->points);
    if (v->points < v->points_possible) (void)fprintf(to, " of %zu (--prove-points)", v->points_possible);
    (void)fprintf(to, ": same answer %zu, no finished step ran twice %zu\n", v->same, v->once);
    for (const finding *f = v->findings; f; f = f->next)
        if (is_of_a_call(f)) print_finding(v, f, width, to);
    for (const finding *f = v->findings; f; f = f->next) {
        if (!is_of_a_call(f)) print_finding(v, f, width, to);
        good = good && (f->kind == FINDING_CALL_OK || f->kind == FINDING_READ);
    }
    return good;
}
