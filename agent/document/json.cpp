#include "document/parse.h"

namespace keelson::document {}
