/* The store of a data folder: what store_open opens unless it is given a backend. */
#include <assert.h>

#include "storage/rocks/rocks.h"
#include "storage/store_core.h"

store *store_open(const store_options *options, char *error, size_t error_size)
{
    assert(options->backend || (options->path && *options->path));
    backend *b = options->backend;
    if (!b) b = rocks_open(options->path, options->accept_loss, error, error_size);
    return b ? store_open_on(b, options, error, error_size) : NULL;
}
