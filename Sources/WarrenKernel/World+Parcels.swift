import WarrenTrace

/// Parcels that nobody holds any more.
extension World {
    /// Frees the parcels that no machine, packet or disk holds.
    ///
    /// Called by whoever runs the world, at the same moments of every run; see ``parcelsAreMany``.
    public mutating func sweepParcels() {
        var marks = turn.parcels.marks(keeping: parcelsOfBuilders)
        for box in turn.owner.machines { box.machine.parcels(&marks) }
        turn.agenda.pointee.pending.forEach {
            marks.keep(turn.agenda.pointee.slab.rows[PendingSet.slot(of: $0)].packet.parcel)
        }
        for disk in turn.disks {
            for packet in disk.durable.values { marks.keep(packet.parcel) }
            for journal in disk.journals { journal.forEach { marks.keep($0.parcel) } }
            for write in disk.waiting + disk.writing {
                switch write {
                case .put(_, let packet, _): marks.keep(packet.parcel)
                case .append(_, _, let entry, _): marks.keep(entry.parcel)
                case .erase, .truncate, .trim: break
                }
            }
        }
        turn.outside.parcels(&marks)
        for action in actions {
            if case .order(_, let packet) = action { marks.keep(packet.parcel) }
        }
        for stall in turn.links.stalls.values {
            for event in stall.events { marks.keep(event.packet.parcel) }
        }
        turn.parcels.markBundles(&marks)
        turn.parcels.sweep(keeping: marks)
        // The next sweep is worth as much as it costs: a log of a million records is not gone through for a
        // few thousand parcels.
        parcelLimit = max(4096, turn.parcels.count * 2, turn.parcels.count + marks.visits / 4)
    }

    /// Whether a sweep is worth its time.
    public var parcelsAreMany: Bool { turn.parcels.count > parcelLimit }
}
