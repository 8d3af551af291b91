//! Writers at the same time.

use crate::harness::Server;

#[test]
fn writers_at_the_same_time_lose_nothing() {
    let server = Server::new();
    let retries: usize = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6)
            .map(|writer| {
                let server = &server;
                scope.spawn(move || {
                    let mut retries = 0;
                    for number in 0..5 {
                        let name = format!("/name:pool-{writer}-{number}");
                        loop {
                            match server.run(&["add", "apppool", &name]) {
                                (0, _) => break,
                                (32, _) => retries += 1,
                                other => panic!("{other:?}"),
                            }
                        }
                    }
                    retries
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    let names: Vec<_> = server.config().pools().into_iter().map(|pool| pool.name).collect();
    assert_eq!(names.len(), 31, "{names:?} with {retries} retries");
    let records = server.records();
    assert_eq!(records.len(), 30 + retries);
    assert!(records.iter().enumerate().all(|(at, record)| record.command == at + 1 && record.exit.is_some()));
}

#[test]
fn a_reader_always_finds_a_whole_file() {
    let server = Server::new();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..40 {
                let name = format!("/name:p{number}");
                // On Windows a file that is being read may be in use to its writer.
                while server.run(&["add", "apppool", &name]).0 == 32 {}
            }
        });
        while !writer.is_finished() {
            assert!(!server.config().pools().is_empty());
        }
        writer.join().unwrap();
    });
    assert_eq!(server.config().pools().len(), 41);
}
