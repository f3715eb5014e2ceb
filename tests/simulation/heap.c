#include "tests/simulation/heap.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "coro/sanitize.h"
#include "tests/simulation/world.h"

/* Sanitizers and Valgrind have an allocator of their own, and look for leaks themselves. */
#if defined(CORO_ASAN) || defined(CORO_TSAN) || defined(CORO_VALGRIND)
#define HAS_HEAP 0
#else
#define HAS_HEAP 1
#endif
#define SHOWN __attribute__((visibility("default")))

enum { SKIP_MOST = 400, ROW_MOST = 60, LARGE_MOST = 8192, SHARE_MOST = 30 };

/* ---- What is short ---- */

typedef struct shortage {
    unsigned skip, row; /* so many come first, then so many are refused */
    size_t large;       /* above that all are refused; SIZE_MAX: none for its size */
    unsigned share;     /* percent of all */
} shortage;

static shortage now = {.large = SIZE_MAX};

void heap_fail(heap_shortage kind)
{
    unsigned skip = (unsigned)world_between(RANDOM_LIVE, 0, SKIP_MOST);
    now = (shortage){.large = SIZE_MAX};
    switch (kind) {
    case HEAP_ONE:
        now = (shortage){.skip = skip, .row = 1, .large = SIZE_MAX};
        break;
    case HEAP_BURST:
        now = (shortage){.skip = skip, .row = (unsigned)world_between(RANDOM_LIVE, 2, ROW_MOST), .large = SIZE_MAX};
        break;
    case HEAP_LARGE:
        now.large = (size_t)world_between(RANDOM_LIVE, 0, LARGE_MOST);
        break;
    default:
        now.share = (unsigned)world_between(RANDOM_LIVE, 1, SHARE_MOST);
    }
}

void heap_relax(void)
{
    now.large = SIZE_MAX;
    now.share = 0;
}

#if HAS_HEAP
/* ---- Who asks ---- */

/* libcurl 7.88 goes on with the hash of a socket's transfers that it has destroyed, and divides by its size of zero,
 * where there is no memory for its table (416 bytes) or an element of it: what is that small is not refused to libcurl.
 */
enum { MODULES_MAX = 8, CURL_LEAST = 417 };
static struct module {
    uintptr_t from, to;
    size_t least; /* smaller blocks are not refused */
} modules[MODULES_MAX];
static unsigned module_count;
static bool under_test;

/* libuv ends the process where its table of descriptors cannot grow, and libcrypto is asked for nothing that could be
 * refused (docs/internals/simulation.md): they are left out. */
static bool tells(const char *name)
{
    static const char *const libraries[] = {"/libc.so", "/libcurl.so", "/libmsgpackc.so", "/libmsgpack-c.so"};
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (strstr(name, libraries[i])) return true;
    return *name == 0; /* the program */
}

static int add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    for (int i = 0; i < info->dlpi_phnum && tells(info->dlpi_name) && module_count < MODULES_MAX; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t from = info->dlpi_addr + h->p_vaddr;
        if (h->p_type == PT_LOAD && (h->p_flags & PF_X))
            modules[module_count++] = (struct module){.from = from,
                                                      .to = from + h->p_memsz,
                                                      .least = strstr(info->dlpi_name, "/libcurl.so") ? CURL_LEAST : 0};
    }
    return 0;
}

static bool may_refuse(size_t bytes, const void *caller)
{
    for (unsigned i = 0; i < module_count; i++)
        if ((uintptr_t)caller >= modules[i].from && (uintptr_t)caller < modules[i].to) return bytes >= modules[i].least;
    return false;
}

static bool falls_short(size_t bytes)
{
    if (now.row > 0 && now.skip > 0) {
        now.skip--;
    } else if (now.row > 0) {
        now.row--;
        return true;
    }
    return bytes > now.large || (now.share > 0 && world_chance(RANDOM_LIVE, now.share));
}

static bool refuses(size_t bytes, const void *caller)
{
    if (!under_test || !may_refuse(bytes, caller) || !falls_short(bytes)) return false;
    under_test = false; /* whatever a note needs is the simulation's */
    world_note("no memory: %zu bytes", bytes);
    under_test = true;
    errno = ENOMEM;
    return true;
}

void heap_begin(void)
{
    if (module_count == 0) (void)dl_iterate_phdr(add_module, NULL);
    under_test = !w->rehearses;
}

void heap_end(void) { under_test = false; }

bool heap_spare(void)
{
    bool was = under_test;
    under_test = false;
    return was;
}

void heap_go_on(bool was) { under_test = was; }

/* ---- Before libc ---- */

static long blocks;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t to, size_t bytes);
void __libc_free(void *block);

static void *counted(void *block)
{
    if (block) (void)__atomic_add_fetch(&blocks, 1, __ATOMIC_RELAXED);
    return block;
}

SHOWN void *malloc(size_t bytes)
{
    if (refuses(bytes, __builtin_return_address(0))) return NULL;
    return counted(__libc_malloc(bytes));
}

SHOWN void *calloc(size_t count, size_t bytes)
{
    if (refuses(count * bytes, __builtin_return_address(0))) return NULL;
    return counted(__libc_calloc(count, bytes));
}

SHOWN void *memalign(size_t to, size_t bytes) { return counted(__libc_memalign(to, bytes)); }
SHOWN void *aligned_alloc(size_t to, size_t bytes) { return counted(__libc_memalign(to, bytes)); }

SHOWN int posix_memalign(void **out, size_t to, size_t bytes)
{
    *out = counted(__libc_memalign(to, bytes));
    return *out ? 0 : ENOMEM;
}

SHOWN void free(void *block)
{
    if (block) (void)__atomic_sub_fetch(&blocks, 1, __ATOMIC_RELAXED);
    __libc_free(block);
}

SHOWN void *realloc(void *block, size_t bytes)
{
    if (block && bytes == 0) {
        free(block);
        return NULL;
    }
    if (refuses(bytes, __builtin_return_address(0))) return NULL;
    return block ? __libc_realloc(block, bytes) : counted(__libc_malloc(bytes));
}

long heap_blocks(void) { return __atomic_load_n(&blocks, __ATOMIC_RELAXED); }
#else
#if defined(CORO_ASAN)
int __lsan_do_recoverable_leak_check(void);

long heap_blocks(void) { return __lsan_do_recoverable_leak_check(); }
#else
long heap_blocks(void) { return 0; }
#endif

void heap_begin(void) {}
void heap_end(void) {}
bool heap_spare(void) { return false; }
void heap_go_on(bool was) { (void)was; }
#endif
