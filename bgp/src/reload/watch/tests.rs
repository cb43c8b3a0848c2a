use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use tokio::time::timeout;

async fn sees(watch: &mut Watch) -> bool {
    let seen = timeout(Duration::from_secs(5), watch.changed())
        .await
        .is_ok();
    // What else belongs to it.
    while timeout(Duration::from_millis(20), watch.changed())
        .await
        .is_ok()
    {}
    seen
}

async fn is_quiet(watch: &mut Watch) -> bool {
    timeout(Duration::from_millis(100), watch.changed())
        .await
        .is_err()
}

#[tokio::test]
async fn a_file_is_seen_however_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bgp.yaml");
    let other = folder.path().join("bgp.yaml.new");
    let mut watch = Watch::open().unwrap();
    // Not there yet.
    watch.follow(&file);
    fs::write(&file, "1").unwrap();
    assert!(sees(&mut watch).await, "made");
    watch.follow(&file);
    fs::write(&file, "2").unwrap();
    assert!(sees(&mut watch).await, "in place");
    fs::write(&other, "3").unwrap();
    assert!(is_quiet(&mut watch).await, "another file");
    fs::rename(&other, &file).unwrap();
    assert!(sees(&mut watch).await, "renamed over");
    watch.follow(&file);
    fs::remove_file(&file).unwrap();
    assert!(sees(&mut watch).await, "removed");
    watch.follow(&file);
    fs::write(&file, "4").unwrap();
    assert!(sees(&mut watch).await, "back");
}

/// As the kubelet does it.
#[tokio::test]
async fn a_config_map_is_seen_when_its_link_is_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let version = |name: &str| {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join("bgp.yaml"), name).unwrap();
        symlink(name, path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
    };
    version("..1");
    symlink("..data/bgp.yaml", path("bgp.yaml")).unwrap();
    let mut watch = Watch::open().unwrap();
    for name in ["..2", "..3", "..4"] {
        watch.follow(&path("bgp.yaml"));
        let before = Stamp::of(&path("bgp.yaml"));
        version(name);
        assert!(sees(&mut watch).await, "{name}");
        assert_ne!(Stamp::of(&path("bgp.yaml")), before);
        assert_eq!(fs::read_to_string(path("bgp.yaml")).unwrap(), name);
    }
    // Where the link points to is watched, too; where it pointed to is not any more.
    watch.follow(&path("bgp.yaml"));
    fs::write(path("..1").join("bgp.yaml"), "old").unwrap();
    assert!(is_quiet(&mut watch).await);
    fs::write(path("..4").join("bgp.yaml"), "new").unwrap();
    assert!(sees(&mut watch).await);
}

#[tokio::test]
async fn a_folder_that_comes_later_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a").join("b");
    let file = deep.join("bgp.yaml");
    let mut watch = Watch::open().unwrap();
    watch.follow(&file);
    fs::create_dir_all(&deep).unwrap();
    assert!(sees(&mut watch).await);
    watch.follow(&file);
    fs::write(&file, "1").unwrap();
    assert!(sees(&mut watch).await);
    watch.follow(&file);
    fs::rename(folder.path().join("a"), folder.path().join("c")).unwrap();
    let gone = Stamp::of(&file);
    assert_eq!(gone, Stamp(None), "the look now and then finds it");
}

#[test]
fn the_way_has_every_link_and_ends_with_endless_ones() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    symlink("b", root.join("a")).unwrap();
    symlink("a", root.join("b")).unwrap();
    assert!(way(&root.join("a")).len() <= LINKS + 1);
    fs::write(root.join("file"), "").unwrap();
    symlink("../..", root.join("up")).ok();
    symlink(root.join("file"), root.join("absolute")).unwrap();
    let found = way(&root.join("absolute"));
    let expected = [
        (root.clone(), "absolute".into()),
        (root.clone(), "file".into()),
    ];
    assert_eq!(found, expected);
}
