// A run that goes on for long, such as one that streams, adds a segment to each commit, beside its former ones. With a
// thousand such runs RocksDB would search the whole memtable for each of these places, which takes three quarters of an
// insert. With the option ROCKS_PLACES the memtable remembers, for each value of Transform, where it has inserted last.
#include <rocksdb/slice_transform.h>
#include <rocksdb/utilities/object_registry.h>

#include <memory>
#include <mutex>
#include <string>

extern "C" {
#include "storage/rocks/rocks_places.h"
}

namespace
{

class places final : public rocksdb::SliceTransform
{
  public:
    const char *Name() const override { return ROCKS_PLACES; }

    rocksdb::Slice Transform(const rocksdb::Slice &key) const override
    {
        return rocksdb::Slice(key.data(), RUN_ID_BYTES);
    }

    bool InDomain(const rocksdb::Slice &key) const override
    {
        return key.size() == ROW_SEGMENT_KEY_BYTES && rocks_places_has(reinterpret_cast<const uint8_t *>(key.data()));
    }
};

rocksdb::SliceTransform const *make_places(const std::string &, std::unique_ptr<const rocksdb::SliceTransform> *made,
                                           std::string *)
{
    made->reset(new places);
    return made->get();
}

} // namespace

extern "C" void rocks_places_register(void)
{
    static std::once_flag once;
    std::call_once(once, [] {
        rocksdb::ObjectLibrary::Default()->AddFactory<const rocksdb::SliceTransform>(ROCKS_PLACES, make_places);
    });
}
