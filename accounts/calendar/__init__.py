"""The firm's calendar: news and holidays, imported as data, every revision kept."""

from accounts.calendar.market import (
    current_market,
    latest_revision,
    market_events,
    market_holidays,
    revision_at,
)
from accounts.calendar.revisions import (
    Changes,
    compare_holidays,
    compare_news,
    import_holidays,
    import_holidays_csv,
    import_news,
    import_news_csv,
)
from accounts.calendar.rows import (
    HOLIDAY_COLUMNS,
    NEWS_COLUMNS,
    CalendarError,
    HolidayRow,
    NewsRow,
    read_holidays,
    read_holidays_csv,
    read_news,
    read_news_csv,
)

__all__ = [
    "HOLIDAY_COLUMNS",
    "NEWS_COLUMNS",
    "CalendarError",
    "Changes",
    "HolidayRow",
    "NewsRow",
    "compare_holidays",
    "compare_news",
    "current_market",
    "import_holidays",
    "import_holidays_csv",
    "import_news",
    "import_news_csv",
    "latest_revision",
    "market_events",
    "market_holidays",
    "read_holidays",
    "read_holidays_csv",
    "read_news",
    "read_news_csv",
    "revision_at",
]
