#include "runtime/base/code_place.h"

#include <assert.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* addr2line reads the whole debug information: a large program's must not take the memory of the service. */
#define ADDR2LINE "exec 2>/dev/null; ulimit -v 524288; nice timeout 5 addr2line -f -i -C -s -e '%s' 0x%llx"
enum { COMMAND_TEXT = 512 };
_Static_assert(COMMAND_TEXT > sizeof ADDR2LINE + CODE_NAME_TEXT + 16, "a file's name and an address fit");

typedef struct search {
    uintptr_t code;
    code_place *out;
} search;

static int code_place_look(struct dl_phdr_info *info, size_t size, void *arg)
{
    const search *s = arg;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t from = info->dlpi_addr + h->p_vaddr;
        if (h->p_type != PT_LOAD || s->code < from || s->code - from >= h->p_memsz) continue;
        s->out->file = *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
        s->out->address = s->code - info->dlpi_addr;
        return 1;
    }
    return 0;
}

bool code_place_find(const void *code, code_place *out)
{
    search s = {.code = (uintptr_t)code, .out = out};
    *out = (code_place){0};
    return dl_iterate_phdr(code_place_look, &s) != 0;
}

/* Reads one line of addr2line's answer; "": addr2line does not know, which it writes as "?". False: the answer is over.
 */
static bool addr2line_read(FILE *from, char out[CODE_NAME_TEXT])
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n = getline(&line, &size, from);
    (void)snprintf(out, CODE_NAME_TEXT, "%s", n > 0 && line[0] != '?' ? line : "");
    out[strcspn(out, "\n")] = 0;
    free(line);
    return n > 0;
}

/* Asks addr2line for function and line; both are "" if it is missing, and each that it does not know is. */
static void addr2line_ask(const char *file, uint64_t address, code_depth depth, code_name *out)
{
    char command[COMMAND_TEXT];
    code_name next;
    *out = (code_name){0};
    if (strchr(file, '\'') || strlen(file) >= CODE_NAME_TEXT) return;
    (void)snprintf(command, sizeof command, ADDR2LINE, file, (unsigned long long)address);
    FILE *f = popen(command, "re");
    if (!f) return;
    for (bool is_first = true; addr2line_read(f, next.function) && addr2line_read(f, next.line); is_first = false)
        if (is_first || depth == CODE_OUTERMOST) *out = next;
    (void)pclose(f);
    out->line[strcspn(out->line, " ")] = 0;       /* it may add "(discriminator 2)" */
    if (strchr(out->line, '?')) out->line[0] = 0; /* "orders.c:?" */
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void code_place_name(const char *file, uint64_t address, code_depth depth, code_name *out)
{
    char path[CODE_NAME_TEXT];
    assert(file);
    ssize_t n = readlink(file, path, sizeof path - 1); /* to addr2line /proc/self/exe is addr2line */
    if (n > 0) path[n] = 0;
    const char *real = n > 0 ? path : file;
    addr2line_ask(real, address, depth, out);
    if (*out->line) return;
    (void)snprintf(out->line, sizeof out->line, "%.*s+0x%llx", CODE_NAME_TEXT - 32, base_name(real),
                   (unsigned long long)address);
}
