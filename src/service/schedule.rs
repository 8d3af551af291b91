//! When a service is run that does not run all the time: what the Task Scheduler of Windows can be told in one line
//! (<https://learn.microsoft.com/windows-server/administration/windows-commands/schtasks-create>).

use std::fmt;

use serde::{Deserialize, Serialize};

/// When it is run. Written `every 5m`, `daily 03:00` or `weekly mon,thu 03:00`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    Every(Span),
    /// At this time of the machine's own day.
    Daily(Time),
    /// On these days, in the order of the week.
    Weekly(Vec<Weekday>, Time),
}

/// How long it is from one run to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// 1 to 1439, as `schtasks /SC MINUTE /MO` takes them.
    Minutes(u16),
    /// 1 to 23.
    Hours(u16),
    /// 1 to 365.
    Days(u16),
}

/// A time of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Time {
    hour: u8,
    minute: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

const WEEK: [(Weekday, &str); 7] = [
    (Weekday::Monday, "mon"),
    (Weekday::Tuesday, "tue"),
    (Weekday::Wednesday, "wed"),
    (Weekday::Thursday, "thu"),
    (Weekday::Friday, "fri"),
    (Weekday::Saturday, "sat"),
    (Weekday::Sunday, "sun"),
];

/// A text that says of no time when it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotASchedule {
    #[error("it is no span that the Task Scheduler knows: 1m to 1439m, 1h to 23h or 1d to 365d")]
    Span,
    #[error("it is no time of day, such as `03:00`")]
    Time,
    #[error("it is no day of the week: mon, tue, wed, thu, fri, sat, sun")]
    Day,
    #[error("it is written `every 5m`, `daily 03:00` or `weekly mon,thu 03:00`")]
    Form,
}

impl Span {
    pub fn parse(text: &str) -> Result<Span, NotASchedule> {
        let Some((at, _)) = text.char_indices().next_back() else { return Err(NotASchedule::Span) };
        let (count, unit) = text.split_at(at);
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotASchedule::Span);
        }
        match (count.parse().map_err(|_| NotASchedule::Span)?, unit) {
            (minutes @ 1..=1439, "m") => Ok(Span::Minutes(minutes)),
            (hours @ 1..=23, "h") => Ok(Span::Hours(hours)),
            (days @ 1..=365, "d") => Ok(Span::Days(days)),
            _ => Err(NotASchedule::Span),
        }
    }
}

impl Time {
    pub fn parse(text: &str) -> Result<Time, NotASchedule> {
        let number = |text: &str, most: u8| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| digits && *number <= most)
        };
        let (hour, minute) = text.split_once(':').ok_or(NotASchedule::Time)?;
        match (number(hour, 23), number(minute, 59)) {
            (Some(hour), Some(minute)) => Ok(Time { hour, minute }),
            _ => Err(NotASchedule::Time),
        }
    }
}

impl Weekday {
    pub fn parse(text: &str) -> Result<Weekday, NotASchedule> {
        let known = WEEK.iter().find(|(_, name)| text.eq_ignore_ascii_case(name));
        known.map(|(day, _)| *day).ok_or(NotASchedule::Day)
    }

    fn name(self) -> &'static str {
        WEEK.iter().find(|(day, _)| *day == self).map_or("", |(_, name)| name)
    }
}

impl Schedule {
    pub fn weekly(mut days: Vec<Weekday>, time: Time) -> Schedule {
        days.sort();
        days.dedup();
        Schedule::Weekly(days, time)
    }

    pub fn parse(text: &str) -> Result<Schedule, NotASchedule> {
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["every", span] => Span::parse(span).map(Schedule::Every),
            ["daily", time] => Time::parse(time).map(Schedule::Daily),
            ["weekly", days, time] => {
                let days = days.split(',').map(Weekday::parse).collect::<Result<_, _>>()?;
                Ok(Schedule::weekly(days, Time::parse(time)?))
            }
            _ => Err(NotASchedule::Form),
        }
    }

    /// What `schtasks /Create` is told of it.
    pub fn args(&self) -> Vec<String> {
        let every = |unit: &str, count: u16| vec!["/SC".into(), unit.into(), "/MO".into(), count.to_string()];
        match self {
            Schedule::Every(Span::Minutes(count)) => every("MINUTE", *count),
            Schedule::Every(Span::Hours(count)) => every("HOURLY", *count),
            Schedule::Every(Span::Days(count)) => every("DAILY", *count),
            Schedule::Daily(time) => vec!["/SC".into(), "DAILY".into(), "/ST".into(), time.to_string()],
            Schedule::Weekly(days, time) => {
                let days: Vec<String> = days.iter().map(|day| day.name().to_ascii_uppercase()).collect();
                let on = ["/SC", "WEEKLY", "/D"].map(str::to_owned).into_iter().chain([days.join(",")]);
                on.chain(["/ST".into(), time.to_string()]).collect()
            }
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Span::Minutes(count) => write!(f, "{count}m"),
            Span::Hours(count) => write!(f, "{count}h"),
            Span::Days(count) => write!(f, "{count}d"),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Every(span) => write!(f, "every {span}"),
            Schedule::Daily(time) => write!(f, "daily {time}"),
            Schedule::Weekly(days, time) => {
                let days: Vec<&str> = days.iter().map(|day| day.name()).collect();
                write!(f, "weekly {} {time}", days.join(","))
            }
        }
    }
}

impl TryFrom<String> for Schedule {
    type Error = NotASchedule;

    fn try_from(text: String) -> Result<Schedule, NotASchedule> {
        Schedule::parse(&text)
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> String {
        schedule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, args: &str) {
        let schedule = Schedule::parse(text).unwrap();
        assert_eq!(schedule.args().join(" "), args);
        assert_eq!(Schedule::parse(&schedule.to_string()).unwrap(), schedule);
    }

    #[test]
    fn every_schedule_is_one_of_the_task_scheduler() {
        check("every 5m", "/SC MINUTE /MO 5");
        check("every 1h", "/SC HOURLY /MO 1");
        check("every 2d", "/SC DAILY /MO 2");
        check("daily 03:05", "/SC DAILY /ST 03:05");
        check("weekly thu,Mon,thu 23:59", "/SC WEEKLY /D MON,THU /ST 23:59");
    }

    #[test]
    fn what_the_task_scheduler_cannot_do_is_refused() {
        for (text, why) in [
            ("every 0m", NotASchedule::Span),
            ("every 1440m", NotASchedule::Span),
            ("every 24h", NotASchedule::Span),
            ("every 366d", NotASchedule::Span),
            ("every 5", NotASchedule::Span),
            ("every 5s", NotASchedule::Span),
            ("every +5m", NotASchedule::Span),
            ("every ü", NotASchedule::Span),
            ("every ", NotASchedule::Span),
            ("daily 3:00", NotASchedule::Time),
            ("daily 24:00", NotASchedule::Time),
            ("weekly day 03:00", NotASchedule::Day),
            ("* * * * *", NotASchedule::Form),
            ("", NotASchedule::Form),
        ] {
            assert_eq!(Schedule::parse(text), Err(why), "{text}");
        }
    }
}
