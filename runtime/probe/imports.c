/* An import is an entry of the object's global offset table, which a relocation describes: of a call (JUMP_SLOT), or of
 * an address that the code takes (GLOB_DAT). The loader has made the table's pages read-only. */
#include "runtime/probe/imports.h"

#include <assert.h>
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { RELOCATION_CALL = R_X86_64_JUMP_SLOT, RELOCATION_ADDRESS = R_X86_64_GLOB_DAT };
#elif defined(__aarch64__)
enum { RELOCATION_CALL = R_AARCH64_JUMP_SLOT, RELOCATION_ADDRESS = R_AARCH64_GLOB_DAT };
#else
enum { RELOCATION_CALL = -1, RELOCATION_ADDRESS = -1 }; /* no relocation has this type: nothing is replaced */
#endif

_Static_assert(sizeof(ElfW(Addr)) == sizeof(uint64_t), "relocations are read as those of ELF64");
_Static_assert(sizeof(void (*)(void)) == sizeof(void *), "addresses of functions are written as those of objects");

/* What the dynamic section of one object names; NULL and 0: the object has no such table. */
typedef struct dynamic {
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * rela, *plt;
    size_t rela_count, plt_count;
} dynamic;

static dynamic read_dynamic(const ElfW(Dyn) * d)
{
    dynamic out = {.symbols = NULL};
    for (; d->d_tag != DT_NULL; d++) {
        const void *at = (const void *)d->d_un.d_ptr; /* the loader has added the bias */
        if (d->d_tag == DT_SYMTAB) out.symbols = at;
        if (d->d_tag == DT_STRTAB) out.names = at;
        if (d->d_tag == DT_RELA) out.rela = at;
        if (d->d_tag == DT_RELASZ) out.rela_count = d->d_un.d_val / sizeof *out.rela;
        if (d->d_tag == DT_JMPREL) out.plt = at;
        if (d->d_tag == DT_PLTRELSZ) out.plt_count = d->d_un.d_val / sizeof *out.plt;
    }
    return out;
}

static void import_put(void **entry, void *ours)
{
    uintptr_t page = (uintptr_t)entry & ~((uintptr_t)getpagesize() - 1);
    if (mprotect((void *)page, (size_t)getpagesize(), PROT_READ | PROT_WRITE) == 0) *entry = ours;
}

/* The arguments of imports_replace. */
typedef struct replacing {
    const import *list;
    size_t count;
} replacing;

static void imports_put_all(const dynamic *d, uintptr_t bias, const ElfW(Rela) * relocations, size_t count,
                            const replacing *by)
{
    for (size_t i = 0; relocations && i < count; i++) {
        int type = (int)ELF64_R_TYPE(relocations[i].r_info);
        if (type != RELOCATION_CALL && type != RELOCATION_ADDRESS) continue;
        const char *name = d->names + d->symbols[ELF64_R_SYM(relocations[i].r_info)].st_name;
        for (size_t k = 0; k < by->count; k++)
            if (*by->list[k].real && strcmp(name, by->list[k].name) == 0)
                import_put((void **)(bias + relocations[i].r_offset), by->list[k].ours);
    }
}

static bool object_contains(const struct dl_phdr_info *info, uintptr_t code)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t from = info->dlpi_addr + h->p_vaddr;
        if (h->p_type == PT_LOAD && code >= from && code - from < h->p_memsz) return true;
    }
    return false;
}

/* Returns whether the object is the program, or a shared object of its own: neither the system's nor libstepwell.so. */
static bool object_is_the_programs(const struct dl_phdr_info *info)
{
    const char *name = info->dlpi_name;
    if (!*name) return true;
    return name[0] == '/' && strncmp(name, "/lib", 4) != 0 && strncmp(name, "/usr/lib", 8) != 0 &&
           !object_contains(info, (uintptr_t)imports_replace);
}

static int object_replace_imports(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    if (!object_is_the_programs(info)) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
        dynamic d = read_dynamic((const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
        if (!d.symbols || !d.names) continue;
        imports_put_all(&d, info->dlpi_addr, d.rela, d.rela_count, arg);
        imports_put_all(&d, info->dlpi_addr, d.plt, d.plt_count, arg);
    }
    return 0;
}

void imports_replace(const import *list, size_t count)
{
    replacing by = {list, count};
    for (size_t k = 0; k < count; k++) {
        assert(list[k].ours);
        assert(!*list[k].real); /* replaced once: what the import is now may be ours */
        *list[k].real = dlsym(RTLD_NEXT, list[k].name);
    }
    (void)dl_iterate_phdr(object_replace_imports, &by);
}
